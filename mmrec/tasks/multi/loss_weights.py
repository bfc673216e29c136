"""How the losses of several tasks are added: with fixed weights, by their uncertainty, or by the norms of their gradients."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mmrec.errors import ConfigError, nearest

UNCERTAINTY, GRADNORM = "uncertainty", "gradnorm"
_ASYMMETRY, _STEP, _LEAST = 1.5, 0.025, 1e-3
"""Of GradNorm: how strongly slow tasks are sped up (α), the step size of the weights, and the least weight."""


class LossWeights(nn.Module, ABC):
    """Adds the losses of several tasks. What it learns is in its `state_dict`.

    Args:
        names: the tasks, in order.
    """

    needs_norms: bool = False
    """Whether `adjust` takes the norms of gradients."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self.names = tuple(names)

    @abstractmethod
    def values(self) -> Float[Tensor, " n"]:
        """Return the current weight of every task, without gradients."""

    @abstractmethod
    def total(self, losses: Float[Tensor, " n"]) -> Float[Tensor, ""]:
        """Return the loss to minimise."""

    def adjust(self, losses: Float[Tensor, " n"], norms: Float[Tensor, " n"]) -> None:
        """Change the weights before a step, given the losses and the norms of their gradients in the last shared layer."""


class FixedWeights(LossWeights):
    """`Σ w_t L_t` with constants w_t.

    Args:
        names: the tasks, in order.
        weights: by task; 1 for those without one.
    """

    weights: Tensor

    def __init__(self, names: Sequence[str], weights: Mapping[str, float]) -> None:
        super().__init__(names)
        self.register_buffer("weights", torch.tensor([float(weights.get(name, 1.0)) for name in names]), persistent=False)

    def values(self) -> Float[Tensor, " n"]:
        return self.weights

    def total(self, losses: Float[Tensor, " n"]) -> Float[Tensor, ""]:
        return (self.weights * losses).sum()


class UncertaintyWeights(LossWeights):
    """`Σ e^(-s_t) L_t + s_t / 2` with learned logarithms of variances s_t.

    Kendall, Gal and Cipolla, "Multi-Task Learning Using Uncertainty to Weigh Losses for Scene Geometry and Semantics", CVPR 2018, eq. 10.
    The factor 1/2 of squared errors is a constant that s_t absorbs.

    Args:
        names: the tasks, in order.
    """

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(names)
        self.log_variances = nn.Parameter(torch.zeros(len(self.names)))

    def values(self) -> Float[Tensor, " n"]:
        return (-self.log_variances).exp().detach()

    def total(self, losses: Float[Tensor, " n"]) -> Float[Tensor, ""]:
        return ((-self.log_variances).exp() * losses + self.log_variances / 2).sum()


class GradNormWeights(LossWeights):
    """`Σ w_t L_t` with weights that let all tasks train at a similar rate.

    Chen, Badrinarayanan, Lee and Rabinovich, "GradNorm: Gradient Normalization for Adaptive Loss Balancing in Deep Multitask Networks",
    ICML 2018, algorithm 1: before each step, w_t descends on `|w_t g_t - ḡ r_t^1.5|`, where g_t is the norm of the gradient of L_t in the
    last shared layer, ḡ the mean of `w_t g_t`, and r_t the loss relative to that of the first step, divided by its mean over tasks. Steps
    are relative to ḡ, so that they do not depend on the scale of losses. The weights sum to the number of tasks.

    Args:
        names: the tasks, in order.
    """

    needs_norms = True
    weights: Tensor
    first: Tensor

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(names)
        self.register_buffer("weights", torch.ones(len(self.names)))
        self.register_buffer("first", torch.zeros(len(self.names)))

    def values(self) -> Float[Tensor, " n"]:
        return self.weights.clone()  # the graph of the loss keeps them, while `adjust` changes them

    def total(self, losses: Float[Tensor, " n"]) -> Float[Tensor, ""]:
        return (self.values() * losses).sum()

    @torch.no_grad()
    def adjust(self, losses: Float[Tensor, " n"], norms: Float[Tensor, " n"]) -> None:
        self.first.copy_(torch.where(self.first > 0, self.first, losses.detach().clamp(min=1e-12)))
        rates = losses / self.first
        weighted = self.weights * norms
        mean = weighted.mean().clamp(min=1e-12)
        excess = weighted - mean * (rates / rates.mean().clamp(min=1e-12)).pow(_ASYMMETRY)
        moved = (self.weights - _STEP * excess.sign() * norms / mean).clamp(min=_LEAST)
        self.weights.copy_(moved * len(moved) / moved.sum())


def make_loss_weights(names: Sequence[str], weights: Mapping[str, Any] | str | None) -> LossWeights:
    """Return the weights of the losses of some tasks.

    Args:
        names: the tasks, in order.
        weights: constants by task, 1 for those without one; `uncertainty`; or `gradnorm`.

    Raises:
        ConfigError: a weight is negative, or of a task that is not there; or there is no such method.
    """
    if isinstance(weights, str):
        if weights not in (UNCERTAINTY, GRADNORM):
            raise ConfigError(
                f"task.weights: expected {UNCERTAINTY}, {GRADNORM}, or a weight by task, such as {{{names[0]}: 0.5}}, found `{weights}`; "
                f"{nearest(weights, (UNCERTAINTY, GRADNORM))}"
            )
        return UncertaintyWeights(names) if weights == UNCERTAINTY else GradNormWeights(names)
    for name, value in (weights or {}).items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
            raise ConfigError(f"task.weights.{name}: expected a number of at least 0, found `{value}`")
        if name not in names and value != 1:
            raise ConfigError(f"task.weights.{name}: this task is not in task.of, which has {', '.join(names)}; {nearest(name, names)}")
    fixed = FixedWeights(names, weights or {})
    if not bool((fixed.weights > 0).any()):
        raise ConfigError("task.weights: expected a weight above 0, found none")
    return fixed
