"""Choose the score offset of new items for baselines on the validation part, as for mixture weights."""

from typing import NamedTuple, cast

from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.experiment.tuning.held_out import HeldOut, TaskRows
from mmrec.metrics.direction import sign
from mmrec.metrics.full_ranking import rank_and_evaluate
from mmrec.models.fold_in import occurring
from mmrec.models.recommender import ClosedFormRecommender, LiftedScorer, TrainedScorer
from mmrec.tasks.lift import climb_lift, holds_new_items
from mmrec.tasks.plain_training import PopularForNew
from mmrec.types import DatasetSpec


class Lift(NamedTuple):
    """A score offset of new items, and the validation metric with it."""

    value: float
    cold_lift: float | None
    """None if there is no choice: no new item is held out, or the scorer cannot rank them."""


def choose_lift(scorer: TrainedScorer, spec: DatasetSpec, valid: HeldOut, metric: str, start: float | None = None) -> Lift:
    """The best offset of a scorer on `valid` by hill climbing from `start`; the grid is extended while its maximum is chosen.

    A task that does not rank has no offset; it measures the scorer itself.
    """
    if isinstance(valid, TaskRows):
        return Lift(valid.measure(scorer, metric), None)
    is_new, k = ~occurring(spec.train.item_idx, spec.n_items), int(metric.rpartition("@")[2])

    def measure(cold_lift: float) -> float:
        lifted = LiftedScorer(scorer, is_new, cold_lift) if cold_lift else scorer
        return cast("float | None", rank_and_evaluate(lifted, valid, [k])[metric].mean()) or 0.0

    if not can_be_lifted(scorer) or not holds_new_items(valid, is_new):
        return Lift(measure(0.0), None)
    cold_lift, value = climb_lift(start or 0.0, measure, lambda value: sign(metric) * value)
    return Lift(value, cold_lift)


def can_be_lifted(scorer: TrainedScorer) -> bool:
    """Whether a fitted baseline ranks new items."""
    return isinstance(scorer, ClosedFormRecommender | PopularForNew) and scorer.ranks_new_items


def with_lift(scorer: TrainedScorer, spec: DatasetSpec, cold_lift: float | None) -> TrainedScorer:
    """Apply the chosen offset to a scorer; models in closed form store it in their `state_dict`."""
    if not cold_lift:
        return scorer
    if isinstance(scorer, ClosedFormRecommender):
        scorer.lift_new_items(cold_lift)
        return scorer.freeze()
    return LiftedScorer(scorer, ~occurring(spec.train.item_idx, spec.n_items), cold_lift)


def holds_out_new_items(spec: DatasetSpec, valid: EvaluationSet, share: float = 0.1) -> bool:
    """Whether at least this fraction of the validation positives are items without training interactions."""
    is_new = ~occurring(spec.train.item_idx, spec.n_items)[valid.positives.indices]
    return bool(len(is_new) and is_new.float().mean() >= share)
