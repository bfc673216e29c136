"""Integrated gradients: a reference that explanations are compared with."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.func import jvp

N_STEPS = 16


def integrated_gradients(
    value: Callable[[Float[Tensor, " inputs"]], Float[Tensor, " n"]], n_inputs: int, n_steps: int = N_STEPS
) -> Float[Tensor, "n inputs"]:
    """Compute integrated gradients of n values that depend on the same inputs, between all zeros and all ones.

    `IG_m = ∫ ∂v/∂s_m (α·1) dα` over α from 0 to 1, by the midpoint rule (Sundararajan et al. 2017). Those of one value add up to
    `v(1) - v(0)`, except for the error of the rule. Derivatives are computed in forward mode, once for each input and step, or in backward
    mode, once for each value and step, whichever is less work.

    Args:
        value: the n values for given inputs.
        n_inputs: the number of inputs.
        n_steps: the number of points between 0 and 1.

    Returns:
        A column for each input.

    Raises:
        ValueError: there are no inputs or no steps.

    >>> integrated_gradients(lambda s: torch.stack([s[0] * s[1], 3 * s[1], s[0]]), 2)
    tensor([[0.5000, 0.5000],
            [0.0000, 3.0000],
            [1.0000, 0.0000]])
    """
    for name, number in (("n_inputs", n_inputs), ("n_steps", n_steps)):
        if number < 1:
            raise ValueError(f"{name}: expected at least 1, found {number}")
    with torch.no_grad():
        n_values = len(value(torch.ones(n_inputs)))
    derivatives = _by_input if n_values > n_inputs else _by_value
    points = ((torch.arange(n_steps) + 0.5) / n_steps)[:, None].expand(-1, n_inputs)
    return torch.stack([derivatives(value, point.clone()) for point in points]).mean(dim=0)


def _by_input(value: Callable[[Tensor], Tensor], at: Float[Tensor, " inputs"]) -> Float[Tensor, "n inputs"]:
    with torch.no_grad():  # which has no effect on the forward mode
        return torch.stack([jvp(value, (at,), (one,))[1] for one in torch.eye(len(at))], dim=1)


def _by_value(value: Callable[[Tensor], Tensor], at: Float[Tensor, " inputs"]) -> Float[Tensor, "n inputs"]:
    inputs = at.requires_grad_()
    with torch.enable_grad():
        return torch.stack([torch.autograd.grad(one, inputs, retain_graph=True)[0] for one in value(inputs)])
