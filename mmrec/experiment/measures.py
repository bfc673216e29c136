"""The metrics of a task in an experiment: the largest cutoff, the metric for tuning baselines, and evaluating a scorer."""

from collections.abc import Callable
from typing import cast

from mmrec.data.batches.batch_factory import EvaluationRows
from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.evaluation.compare.against_baselines import cutoffs
from mmrec.evaluation.measure.evaluate import complete
from mmrec.evaluation.measure.grades import Graded
from mmrec.metrics.full_ranking import Evaluated
from mmrec.metrics.ranking import known_metrics
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
