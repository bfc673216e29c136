"""Updates with elastic weight consolidation: weights that mattered for earlier interactions resist changes."""

from collections.abc import Mapping, Sequence
from typing import Any, final

import torch
from torch import Tensor

from mmrec.data.batches.loader import StepBatches
from mmrec.models.auxiliary import AuxiliaryLoss
from mmrec.models.recommender import EpochRecommender
from mmrec.tasks.task import StepLosses, Task
from mmrec.tasks.updating.method import UpdateMethod


@final
class ElasticWeights(UpdateMethod):
    """`½ Σ F (θ - θ*)² / mean F` for the weights `θ*` from before and mean squares of gradients `F` (Kirkpatrick et al. 2017, eq. 3).

    Args:
        weight: of the penalty beside the loss of the task.
        n_batches: the number of batches of earlier users from which `F` is estimated.
        exemplars: as for `Replay`.
    """

    def __init__(self, weight: float = 1.0, n_batches: int = 8, exemplars: float = 0.0) -> None:
        super().__init__(exemplars)
        if weight < 0 or n_batches < 1:
            raise ValueError(f"weight and n_batches: expected at least 0 and at least 1, found {weight} and {n_batches}")
        self.weight, self.n_batches = weight, n_batches

    def step_losses(self, task: Task, earlier: StepBatches) -> StepLosses | None:
        before = {name: one.detach().clone() for name, one in task.model.named_parameters() if one.requires_grad}
        return _Penalty(task, before, squared_gradients(task, list(earlier.batches(range(min(self.n_batches, len(earlier)))))), self.weight)


class _Penalty:
    """The penalty on changed weights."""

    def __init__(self, task: Task, before: Mapping[str, Tensor], importance: Mapping[str, Tensor], weight: float) -> None:
        self.task, self.before, self.importance, self.weight = task, before, importance, weight

    def __call__(self, batch: Any, generator: torch.Generator) -> list[AuxiliaryLoss]:
        now = dict(self.task.model.named_parameters())
        if self.before and next(iter(self.before.values())).device != (device := next(iter(now.values())).device):
            self.before, self.importance = ({name: one.to(device) for name, one in kept.items()} for kept in (self.before, self.importance))
        terms = [(self.importance[name] * (now[name] - old).square()).sum() for name, old in self.before.items()]
        return [AuxiliaryLoss("elastic_weights", torch.stack(terms).sum() / 2, self.weight)]


def squared_gradients(task: Task, batches: Sequence[Any]) -> dict[str, Tensor]:
    """The mean squared gradient of the task's loss by each weight, relative to the mean over all weights; 0 for unused weights."""
    parameters = {name: one for name, one in task.model.named_parameters() if one.requires_grad}
    sums = {name: torch.zeros_like(one) for name, one in parameters.items()}
    task.train()
    for step, batch in enumerate(batches):
        if step == 0 and isinstance(task.model, EpochRecommender):
            task.model.start_epoch(torch.Generator().manual_seed(task.seed))
        loss = task.loss_of(batch, torch.Generator().manual_seed(task.seed + step))
        gradients = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
        for name, gradient in zip(parameters, gradients, strict=True):
            if gradient is not None:
                sums[name] += gradient.detach().to_dense().square()
    mean = torch.cat([one.flatten() for one in sums.values()]).mean().clamp(min=1e-30)
    return {name: one / mean for name, one in sums.items()}
