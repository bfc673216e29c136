"""Adversarial training: the loss of the task on embeddings and features that are perturbed in the worst direction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast, final

import torch
import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.func import functional_call

from mmrec.errors import ConfigError
from mmrec.models.auxiliary import AuxiliaryLoss
from mmrec.models.multimodal.fusion import FusionRecommender
from mmrec.nn.item_features import ItemFeatures
from mmrec.tasks.encoder_training import tuned_encoders
from mmrec.tasks.multi.multi_task import MultiTask
from mmrec.tasks.parameter_groups import TABLES, sort_parameters
from mmrec.tasks.task import Task

FEATURES = "features"
_KINDS = (TABLES, FEATURES)


@final
@dataclass(frozen=True)
class AdversarialTraining:
    """Adds `weight · L(θ + Δ)` to the loss `L(θ)` of each step, with `Δ = epsilon · r · g / ‖g‖` for each row of the perturbed tensors.

    `g` is the gradient of the row (the fast gradient method), and `r` the root mean square of the lengths of all rows, so that `epsilon`
    means the same in models of different scale. In the papers, Δ is not relative to `r`. With `tables`, embeddings are perturbed
    (adversarial personalised ranking, APR, He et al. 2018, eq. 8 and 11); with `features`, the frozen features of items (adversarial
    multimedia recommendation, AMR, Tang et al. 2019, eq. 9 to 11). Δ is a constant in the gradient of the step.

    With weight 0, training is the same to the bit as without it, and as fast. Otherwise a step takes about three times as long.

    Args:
        of: what is perturbed: `tables`, `features`, or both.
        epsilon: the length of a perturbation, relative to that of a row.
        weight: λ in the papers.

    Raises:
        ValueError: an argument is out of range.
    """

    of: Sequence[str] = _KINDS
    epsilon: float = 0.1
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not self.of or set(self.of) - set(_KINDS):
            raise ValueError(f"of: expected {' or '.join(_KINDS)}, or both, found {', '.join(self.of) or 'nothing'}")
        for name in ("epsilon", "weight"):
            if not 0 <= (value := getattr(self, name)) < float("inf"):
                raise ValueError(f"{name}: expected at least 0, found {value}")

    def add_to(self, task: Task) -> None:
        """Let a new task compute the adversarial loss in each step.

        Raises:
            ConfigError: the model has nothing to perturb, or the task learns several tasks.
        """
        if not self.weight:
            return
        if isinstance(task, MultiTask):
            raise ConfigError("robust: expected one task, found several (task=multi); leave it none")
        if not _perturbed(task, self.of):
            raise ConfigError(f"robust.of: {type(task.model).__name__} has no {' or '.join(self.of)} to perturb")
        task.step_losses.append(_AdversarialLoss(task, self))


class _LossOf(nn.Module):
    """The loss of a task as the output of a module, whose parameters and buffers `functional_call` replaces."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.task = task

    def forward(self, batch: Any, seed: int) -> Float[Tensor, ""]:
        torch.default_generator.manual_seed(seed)
        if self.task.device.type == "cuda":
            torch.cuda.manual_seed(seed)
        return self.task.loss_of(batch, torch.Generator().manual_seed(seed))


@final
class _AdversarialLoss:
    """The loss of a step under perturbation, with equal random choices in the search for the direction and in the result."""

    def __init__(self, task: Task, settings: AdversarialTraining) -> None:
        self.module, self.settings = _LossOf(task), settings

    def __call__(self, batch: Any, generator: torch.Generator) -> list[AuxiliaryLoss]:
        seed = int(torch.randint(2**31, (), generator=generator))
        counts = [(encoder.counts, encoder.counts.clone()) for _, encoder in tuned_encoders(self.module)]
        rows = {f"task.{name}": one for name, one in _perturbed(self.module.task, self.settings.of).items()}
        start = {name: one.detach().requires_grad_() for name, one in rows.items()}
        loss = functional_call(self.module, start, (batch, seed))
        gradients = torch.autograd.grad(loss * batch.weight, list(start.values()), allow_unused=True)
        directions = dict(zip(start, (_of_all(one) for one in gradients), strict=True))
        used = {name: one for name, one in directions.items() if one is not None}
        if not used:
            raise ConfigError(f"robust.of: the loss does not depend on the {' or '.join(self.settings.of)} of the model; leave robust none")
        changed = {name: rows[name] + perturbation(rows[name].detach(), one, self.settings.epsilon) for name, one in used.items()}
        value = cast("Tensor", functional_call(self.module, changed, (batch, seed))) * batch.weight
        for now, before in counts:  # of encoded items, which the report has: those of the step itself count
            now.copy_(before)
        return [AuxiliaryLoss("adversarial", value, self.settings.weight)]


def perturbation(rows: Float[Tensor, "n dim"], gradient: Float[Tensor, "n dim"], epsilon: float) -> Float[Tensor, "n dim"]:
    """The change of each row in the direction of its gradient, of `epsilon` times the root mean square of the lengths of the rows.

    Rows that are zero do not count for the length, and rows without a gradient stay.
    """
    squared = rows.square().sum(dim=1)
    length = (squared.sum() / (squared > 0).sum().clamp(min=1)).sqrt()
    return epsilon * length * torch.nn.functional.normalize(gradient, dim=1)


def _perturbed(task: Task, kinds: Sequence[str]) -> Mapping[str, Tensor]:
    """The tensors of a task's model to perturb, by name in the task."""
    found: dict[str, Tensor] = {}
    if TABLES in kinds:
        tables = {id(one) for one in sort_parameters(task.model)[TABLES]}
        found |= {f"model.{name}": one for name, one in task.model.named_parameters() if id(one) in tables}
    if FEATURES in kinds:
        for name, part in task.model.named_modules():
            at = f"model.{name}." if name else "model."
            if isinstance(part, ItemFeatures):
                found |= {f"{at}values_{modality}": part.values(modality) for modality in part.names}
            elif isinstance(part, FusionRecommender):
                names = [modality for modality in part.projections if modality not in part.encoders]
                found |= {f"{at}features_{modality}": getattr(part, f"features_{modality}") for modality in names}
    if any(isinstance(one, DTensor) for one in found.values()):
        raise ConfigError("robust: expected tables that are not sharded; leave trainer=sharded or robust out")
    return found


def _of_all(gradient: Tensor | None) -> Tensor | None:
    """The sum of a gradient over all processes."""
    if gradient is None:
        return None
    dense = gradient.to_dense() if gradient.is_sparse else gradient
    if dist.is_available() and dist.is_initialized():
        dist.all_reduce(dense)
    return dense
