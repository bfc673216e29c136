"""The validation rows by which hyperparameters are chosen: a ranking of users, or single rows that a task measures."""

from dataclasses import dataclass, fields

from torch import Tensor

from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.data.batches.interaction_batches import HeldOutRows
from mmrec.evaluation.measure.evaluate import values_of
from mmrec.metrics.direction import sign
from mmrec.models.recommender import TrainedScorer
from mmrec.tasks.task import Task, declared_metrics


@dataclass(frozen=True)
class TaskRows:
    """Held-out rows of a task that does not rank, such as ratings."""

    task: Task
    rows: HeldOutRows

    def measure(self, scorer: TrainedScorer, metric: str) -> float:
        """Return a metric of a fitted scorer, after what validation chooses for it besides hyperparameters."""
        return values_of(self.task.measure(self.task.settled(scorer, self.rows), self.rows), "val")[f"val/{metric}"]

    def tensors(self) -> dict[str, Tensor]:
        """Return the columns of the rows, by name."""
        columns = {one.name: getattr(self.rows.rows, one.name) for one in fields(self.rows.rows)}
        return {name: column for name, column in columns.items() if isinstance(column, Tensor)}


HeldOut = EvaluationSet | TaskRows


def direction(valid: HeldOut, metric: str) -> int:
    """Return 1 where a higher value of a metric is better, else -1."""
    return declared_metrics(type(valid.task), {}).sign(metric) if isinstance(valid, TaskRows) else sign(metric)
