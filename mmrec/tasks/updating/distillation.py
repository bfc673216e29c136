"""Updates that distil the model from before: its scores are targets beside the new interactions."""

import copy
from typing import Any, final

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from mmrec.data.batches.loader import StepBatches
from mmrec.errors import ConfigError
from mmrec.models.auxiliary import AuxiliaryLoss
from mmrec.models.recommender import GradientRecommender
from mmrec.tasks.ranking import RankingTask
from mmrec.tasks.task import StepLosses, Task
from mmrec.tasks.updating.method import UpdateMethod


@final
class Distillation(UpdateMethod):
    """Keep the scores of the negatives of each step near those of the model from before (Li & Hoiem 2016, learning without forgetting).

    Args:
        weight: of the divergence beside the loss of the task.
        temperature: of both distributions over the negatives of a user.
        exemplars: as for `Replay`.
    """

    def __init__(self, weight: float = 1.0, temperature: float = 1.0, exemplars: float = 0.0) -> None:
        super().__init__(exemplars)
        if weight < 0 or temperature <= 0:
            raise ValueError(f"weight and temperature: expected at least 0 and above 0, found {weight} and {temperature}")
        self.weight, self.temperature = weight, temperature

    def step_losses(self, task: Task, earlier: StepBatches) -> StepLosses | None:
        model = task.model
        if not isinstance(task, RankingTask) or not isinstance(model, GradientRecommender):
            raise ConfigError(f"update: distill needs a task that ranks, found {type(task).__name__}; choose update=replay or update=ewc")
        return _Distilled(copy.deepcopy(model), model, self.weight, self.temperature)


class _Distilled:
    """The divergence of the scores of two models in a step."""

    def __init__(self, before: GradientRecommender, now: GradientRecommender, weight: float, temperature: float) -> None:
        self.before, self.now, self.weight, self.temperature = before.requires_grad_(False), now, weight, temperature

    def __call__(self, batch: Any, generator: torch.Generator) -> list[AuxiliaryLoss]:
        position = generator.get_state()
        scores = self.now.score_batch(batch, generator)
        if not len(scores.positive) and len(batch.item_idx):
            raise ConfigError("update: distill needs a model that scores negatives; choose update=replay or update=ewc")
        generator.set_state(position)  # both hide the same evidence
        self.before.to(scores.negative.device)
        with torch.no_grad():
            before = self.before.train().score_batch(batch, generator).negative
        valid = batch.valid if scores.user is None else batch.valid[scores.user]
        return [AuxiliaryLoss("distillation", divergence(before, scores.negative, valid, self.temperature), self.weight)]


def divergence(
    before: Float[Tensor, "users pool"], now: Float[Tensor, "users pool"], valid: Bool[Tensor, "users pool"], temperature: float
) -> Float[Tensor, ""]:
    """The mean over users of the Kullback-Leibler divergence of two softmax distributions over the valid items, times temperature²."""
    targets, found = (F.log_softmax(one.masked_fill(~valid, -1e9) / temperature, dim=1) for one in (before, now))
    return (targets.exp() * (targets - found)).sum(dim=1).mean() * temperature**2
