"""How much higher new items score in a baseline, chosen on the validation part as the weights of a mixture are."""

from typing import NamedTuple, cast

from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.metrics.direction import sign
from mmrec.metrics.full_ranking import rank_and_evaluate
from mmrec.models.fold_in import occurring
from mmrec.models.recommender import ClosedFormRecommender, LiftedScorer, TrainedScorer
from mmrec.tasks.lift import climb_lift, holds_new_items
from mmrec.tasks.plain_training import PopularForNew
from mmrec.types import DatasetSpec


class Lift(NamedTuple):
    """A lift of new items, and the validation mean that it reaches."""

    value: float
    cold_lift: float | None
    """None where there is nothing to choose: no new item is held out, or the scorer cannot rank them."""


def choose_lift(scorer: TrainedScorer, spec: DatasetSpec, valid: EvaluationSet, metric: str, start: float | None = None) -> Lift:
    """The lift with which a scorer is best on `valid`, climbing from `start`; where the top of the grid is chosen, the grid is widened."""
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
    """The scorer with the lift that was chosen; a model in closed form keeps it in its `state_dict`."""
    if not cold_lift:
        return scorer
    if isinstance(scorer, ClosedFormRecommender):
        scorer.lift_new_items(cold_lift)
        return scorer.freeze()
    return LiftedScorer(scorer, ~occurring(spec.train.item_idx, spec.n_items), cold_lift)


def holds_out_new_items(spec: DatasetSpec, valid: EvaluationSet, share: float = 0.1) -> bool:
    """Whether at least this share of the validation positives are of items without training interactions."""
    is_new = ~occurring(spec.train.item_idx, spec.n_items)[valid.positives.indices]
    return bool(len(is_new) and is_new.float().mean() >= share)
