"""The metrics of a task in an experiment: the largest cutoff, the metric for tuning baselines, evaluating a scorer, and what was chosen."""

from collections.abc import Callable
from typing import Any, cast

from mmrec.data.batches.batch_factory import EvaluationRows
from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.evaluation.compare.against_baselines import cutoffs
from mmrec.evaluation.measure.evaluate import complete
from mmrec.evaluation.measure.grades import Graded, HeldOutGrades
from mmrec.experiment.settings import SplitData
from mmrec.metrics.full_ranking import Evaluated
from mmrec.metrics.ranking import known_metrics
from mmrec.models.click.predictor import ClickRecommender
from mmrec.models.rating.predictor import RatingRecommender
from mmrec.models.recommender import GradientRecommender, MixedRecommender, Recommender
from mmrec.models.search.search_fusion import SearchFusion
from mmrec.tasks.lift import describe_lift, holds_new_items
from mmrec.tasks.mixing import describe_mixture
from mmrec.tasks.task import Declared, Task
from mmrec.types import Scorer

_UNRANKED_K = 20
"""The list length for tasks that do not rank."""


def largest_k(measures: Declared) -> int:
    """Return the largest cutoff of a task's metrics; 20 if there are none."""
    return max(cutoffs(metric.name for metric in measures.metrics), default=_UNRANKED_K)


def tuned_by(metric: str, measures: Declared) -> str:
    """Return the metric that tunes baselines: the selecting metric; for a ranking task, if it is a ranking metric, else ndcg."""
    name = metric.removeprefix("val/")
    if not cutoffs(one.name for one in measures.metrics):
        return name
    return name if name.partition("@")[0] in known_metrics() else f"ndcg@{largest_k(measures)}"


def measure_scorer(
    task: Task, scorer: Scorer, rows_of: Callable[[Task], EvaluationRows], graded: Graded | None, with_auc: bool
) -> Evaluated:
    """Evaluate a scorer as the task does on the rows from `rows_of`; rankings are completed by `evaluate.complete`."""
    rows = rows_of(task)
    evaluated = task.measure(scorer, rows)
    if evaluated.ranking is None:
        return evaluated
    ranked = cast("EvaluationSet", rows)  # that of tasks that rank
    return complete(evaluated, task.scorer_on(scorer, rows), ranked, graded, with_auc)


def measure(with_auc: bool, task: Task, scorer: Scorer, data: SplitData, grades: HeldOutGrades) -> tuple[Evaluated, Evaluated]:
    """Evaluate a scorer as the task does, on the validation and test users of a data module set up for test."""
    parts = (data.valid_set, grades.valid), (data.test_set, grades.test)
    valid, test = (measure_scorer(task, scorer, rows_of, graded, with_auc) for rows_of, graded in parts)
    return valid, test


def chosen_in_training(model: Recommender, valid: EvaluationSet) -> dict[str, dict[str, Any]]:
    """The choices of validation: weights of a mixture, spread of ratings, calibration of clicks, or offset of new items."""
    if isinstance(model, MixedRecommender):
        return {"mixture": describe_mixture(model)}
    if isinstance(model, RatingRecommender):
        return {"ratings": {"weight_of_fitted": round(float(model.weight_of_fitted), 2), "spread": round(float(model.head.spread), 4)}}
    if isinstance(model, ClickRecommender):
        calibration = {name: round(value, 4) for name, value in model.head.calibration._asdict().items()}
        return {"clicks": {"weight_of_fitted": round(float(model.weight_of_fitted), 2)} | calibration}
    if isinstance(model, SearchFusion):
        weight, constant = model.mixture.tolist()
        of_person = {"weight_of_person": round(float(model.person_weight), 2)} if model.is_personal else {}
        return {"search": {"weight_of_bm25": round(weight, 2), "constant": constant} | of_person}
    if isinstance(model, GradientRecommender) and model.ranks_new_items and holds_new_items(valid, ~model.known_items):
        return {"new items": describe_lift(float(model.cold_lift))}
    return {}
