"""Updates that replay exemplars: the histories of earlier users beside those with new interactions."""

from typing import final

from mmrec.data.batches.loader import StepBatches
from mmrec.tasks.task import StepLosses, Task
from mmrec.tasks.updating.method import UpdateMethod


@final
class Replay(UpdateMethod):
    """Learn from the users with new interactions, and from a random sample of the others (experience replay, Rolnick et al. 2019).

    Args:
        exemplars: the number of other users for each user with new interactions.
    """

    def __init__(self, exemplars: float = 1.0) -> None:
        super().__init__(exemplars)

    def step_losses(self, task: Task, earlier: StepBatches) -> StepLosses | None:
        return None


@final
class FineTuning(UpdateMethod):
    """Learn from the users with new interactions only, which forgets most."""

    def __init__(self) -> None:
        super().__init__(0.0)

    def step_losses(self, task: Task, earlier: StepBatches) -> StepLosses | None:
        return None
