"""What a task measures, as an experiment uses it: how far down lists are looked at, what tunes baselines, and measuring a scorer."""

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
"""To which place lists are looked at that a task itself does not measure."""


def largest_k(measures: Declared) -> int:
    """Return the largest cutoff that a task measures at; 20 for one without."""
    return max(cutoffs(metric.name for metric in measures.metrics), default=_UNRANKED_K)


def tuned_by(metric: str, measures: Declared) -> str:
    """Return what chooses the settings of baselines: the selecting metric where that is of lists, else ndcg at the largest cutoff."""
    name = metric.removeprefix("val/")
    return name if name.partition("@")[0] in known_metrics() else f"ndcg@{largest_k(measures)}"


def measure_scorer(
    task: Task, scorer: Scorer, rows_of: Callable[[Task], EvaluationRows], graded: Graded | None, with_auc: bool
) -> Evaluated:
    """Return what a task measures of a scorer on the rows that `rows_of` gives for it; of a ranking also what `evaluate.complete` adds."""
    rows = rows_of(task)
    evaluated = task.measure(scorer, rows)
    if evaluated.ranking is None:
        return evaluated
    return complete(evaluated, scorer, cast("EvaluationSet", rows), graded, with_auc)  # what a task that ranks measures on
