"""The ranking task: train positives to score above sampled negatives, and select by full-catalogue ranking on the validation part."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from operator import attrgetter
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from mmrec.data.batches.batch_factory import BatchSettings, Place, SplitPart
from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.data.batches.loader import StepBatches
from mmrec.data.batches.ranking_batches import RankingBatches
from mmrec.data.batches.train_batches import TrainBatch
from mmrec.data.interactions.histories import Histories
from mmrec.errors import ConfigError
from mmrec.losses import sampled_softmax
from mmrec.metrics.direction import Metric, sign
from mmrec.metrics.full_ranking import LIST_LENGTH, Evaluated, evaluate_ranking, ndcg_by_item, rank_and_evaluate, rank_users
from mmrec.metrics.ranking import known_metrics
from mmrec.models.recommender import (
    GradientRecommender,
    HistoryScorer,
    MixedRecommender,
    Parts,
    Recommender,
    TrainedScorer,
    Weights,
)
from mmrec.tasks.lift import climb_lift, holds_new_items
from mmrec.tasks.mixing import LINEAR_OF_NEW, Judged, climb, closable, toggle, weight_grids
from mmrec.tasks.parameter_groups import Rates
from mmrec.tasks.task import GROUPS, Task, Validated, gather_rows
from mmrec.types import Scorer, joined

Loss = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
KS = [10, 20]
"""The default cutoffs."""
HISTORY = ("train", "all")
_OPTIMIZER = partial(torch.optim.AdamW, lr=0.0005, weight_decay=0.3)
_MAX_SCORES, _LEAST_USERS = 2**27, 1000
"""The maximal number of user-item scores in the validation of an epoch or of mixture weights, one or two seconds on one core, beyond which
the same sample of users is used in every epoch; and its minimal size. The final model is evaluated on all users."""


class RankingTask(Task):
    """Minimises a ranking loss over a model's scores, plus the model's additional loss.

    Embedding tables have the learning rate `embedding_lr` without weight decay, all other parameters the optimizer's own: on small
    catalogues the networks would otherwise overfit before the tables have converged.

    Measures the metrics of `mmrec.metrics.ranking` at each cutoff. Validation also chooses, by ndcg at the largest cutoff, the mixture
    weights and the modalities to leave out of a `MixedRecommender`, and the score offset of new items of a model that ranks them. On large
    data it uses a fixed subsample of the users.

    Args:
        model: the model to train.
        loss: one of `mmrec.losses`.
        optimizer: creates the optimizer from parameter groups.
        embedding_lr: the learning rate of embedding tables.
        ks: the cutoffs of metrics.
        seed: of training.
        groups: optimizer settings by role of parameters, see `mmrec.tasks.parameter_groups`.
        history: what represents a user who is tested: `train`, as trained; or `all`, everything before, so that the items of the validation
            part are an input of the test, as usual for the next item. Models that take no histories cannot be tested so.
    """

    takes_loss: ClassVar[bool] = True
    shown: ClassVar[str] = "ndcg"

    def __init__(
        self,
        model: Recommender,
        loss: Loss = sampled_softmax,
        optimizer: Callable[..., torch.optim.Optimizer] = _OPTIMIZER,
        embedding_lr: float = 0.005,
        ks: list[int] = KS,
        seed: int = 0,
        groups: Rates = GROUPS,
        history: str = HISTORY[0],
    ) -> None:
        super().__init__(model, optimizer, embedding_lr, groups, seed)
        if history not in HISTORY:
            raise ValueError(f"history: expected {' or '.join(HISTORY)}, found {history}")
        self.loss, self.ks, self.history = loss, ks, history

    @classmethod
    def metrics(cls, settings: Mapping[str, Any]) -> tuple[Metric, ...]:
        """Return every ranking metric at every cutoff, starting with ndcg at the largest one."""
        return metrics_at(settings["ks"], max)

    def train_batches(self, train: SplitPart, settings: BatchSettings, place: Place) -> StepBatches:
        return RankingBatches().train_batches(train, settings, place)

    def evaluation_set(self, seen: Sequence[SplitPart], held_out: SplitPart) -> EvaluationSet:
        rows = RankingBatches().evaluation_set(seen, held_out)
        if self.history == HISTORY[0] or len(seen) == 1:
            return rows
        return replace(rows, histories=Histories.from_events(joined([part.interactions for part in seen]), held_out.n_users))

    def scorer_on(self, scorer: Scorer, rows: EvaluationSet) -> Scorer:
        if rows.histories is None or not isinstance(scorer, TrainedScorer):
            return scorer
        return HistoryScorer(scorer, rows.histories)

    def loss_of(self, batch: TrainBatch, generator: torch.Generator) -> Float[Tensor, ""]:
        if not isinstance(self.model, GradientRecommender):
            raise TypeError(f"model: expected one that learns by gradient, found {type(self.model).__name__}")
        scores = self.model.score_batch(batch, generator)
        row = batch.row[: len(scores.positive)] if scores.row is None else scores.row  # empty if the model learns without negatives
        valid = batch.valid if scores.user is None else batch.valid[scores.user]
        scored = 1.0 if scores.row is None else len(scores.positive) / max(1, len(batch.row))  # processes are weighted by all positives
        return self.loss(scores.positive, row, scores.negative, valid) * scored + scores.extra

    def validate(self, rows: EvaluationSet) -> Validated:
        rows = rows.subsampled(max(_MAX_SCORES, _LEAST_USERS * rows.seen.n_items))
        if isinstance(self.model, MixedRecommender):
            return self._choose_weights(self.model, rows)
        if isinstance(self.model, GradientRecommender) and self.model.ranks_new_items and holds_new_items(rows, ~self.model.known_items):
            return self._choose_lift(self.model, rows)
        return self._means(self._not_diverged(self.model.freeze()), rows)

    def _not_diverged(self, scorer: TrainedScorer) -> TrainedScorer:
        if vectors := scorer.vectors():
            self.refuse_divergence(vectors.users, vectors.items)
        return scorer

    def measure(self, scorer: Scorer, rows: EvaluationSet) -> Evaluated:
        """Return lists of `LIST_LENGTH` or the largest cutoff, and their metrics."""
        return measure_lists(self.scorer_on(scorer, rows), rows, self.ks)

    def _choose_weights(self, model: MixedRecommender, rows: EvaluationSet) -> Validated:
        """Climb from the weights of the epoch before, then close or open parts where this is significantly better."""
        parts = model.parts()
        self.refuse_divergence(parts.users, parts.items)
        grids = weight_grids(parts, rows)
        of_new = {name: grids.pop(name) for name in ("linear_of_new",) if name in grids}

        def at(weights: Weights, parts: Parts = parts) -> Judged:
            return self._judge(parts.mix(weights), rows)

        chosen, judged = climb(model.weights._replace(linear_of_new=LINEAR_OF_NEW), grids, at, attrgetter("value"))
        tried, found = climb(chosen, of_new, at, attrgetter("value"))
        if found.is_surely_better(judged):
            chosen, judged = tried, found
        candidates = closable(model, rows)
        closed, judged = toggle(model.closed, candidates, lambda one: at(chosen, model.parts(closed=one)), Judged.is_surely_better, judged)

        def adopt() -> None:
            model.weights, model.closed = chosen, closed

        return Validated(judged.means, adopt)

    def _judge(self, scorer: Scorer, rows: EvaluationSet) -> Judged:
        """The metrics, and the items' contributions to the selecting one, over the users of all processes."""
        ranking = rank_users(scorer, rows.user_idx, rows.seen, max(self.ks))
        means = self.validated(Evaluated(None, evaluate_ranking(ranking, rows.positives, self.ks))).means
        added = ndcg_by_item(ranking, rows.positives, max(self.ks)).to(self.device)
        n_users = gather_rows(added.new_tensor([[len(rows.user_idx)]])).sum()
        return Judged(means, means[_selecting(self.ks)], (gather_rows(added[None]).sum(dim=0) / n_users.clamp(min=1)).cpu())

    def _choose_lift(self, model: GradientRecommender, rows: EvaluationSet) -> Validated:
        scorer = self._not_diverged(model.freeze_unlifted())
        if (vectors := scorer.vectors()) is None:
            return self._means(scorer, rows)
        chosen, means = climb_lift(
            float(model.cold_lift),
            lambda cold_lift: self._means(vectors.lifted(~model.known_items, cold_lift), rows).means,
            lambda means: means[_selecting(self.ks)],
        )
        return Validated(means, partial(model.lift_new_items, chosen))

    def _means(self, scorer: Scorer, rows: EvaluationSet) -> Validated:
        """Measure with lists as long as the metrics need; `measure` returns longer ones."""
        return self.validated(Evaluated(None, rank_and_evaluate(scorer, rows, self.ks)))


def _selecting(ks: Sequence[int]) -> str:
    return f"ndcg@{max(ks)}"


def metrics_at(ks: Sequence[int], selecting: Callable[[Sequence[int]], int]) -> tuple[Metric, ...]:
    """Return every ranking metric at every cutoff, starting with the one that selects: ndcg at the cutoff that `selecting` takes of them.

    Raises ConfigError if there are no cutoffs.
    """
    if not ks:
        raise ConfigError("task.ks: expected at least one cutoff, found none")
    names, first = [f"{name}@{k}" for name in known_metrics() for k in ks], f"ndcg@{selecting(ks)}"
    return tuple(Metric(name, sign(name) > 0) for name in (first, *(name for name in names if name != first)))


def measure_lists(scorer: Scorer, rows: EvaluationSet, ks: Sequence[int]) -> Evaluated:
    """Return lists of `LIST_LENGTH` or the largest cutoff, and their metrics."""
    ranking = rank_users(scorer, rows.user_idx, rows.seen, max(LIST_LENGTH, *ks))
    return Evaluated(ranking, evaluate_ranking(ranking, rows.positives, list(ks)))
