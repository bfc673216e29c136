"""How an update keeps what the model has learned before: the interface of the methods."""

from abc import ABC, abstractmethod

from mmrec.data.batches.loader import StepBatches
from mmrec.tasks.task import StepLosses, Task


class UpdateMethod(ABC):
    """Chooses the users of an update, and adds to the loss of its steps.

    Args:
        exemplars: the number of earlier users without new interactions whose histories are replayed, for each user with new ones.
    """

    def __init__(self, exemplars: float) -> None:
        if exemplars < 0:
            raise ValueError(f"exemplars: expected at least 0, found {exemplars}")
        self.exemplars = exemplars

    @abstractmethod
    def step_losses(self, task: Task, earlier: StepBatches) -> StepLosses | None:
        """Return what is added to the loss of each step; None: nothing.

        Args:
            task: the task, whose model has the weights from before the update.
            earlier: training batches of users from before the update.
        """
