"""The position of training between two steps, and its restoration in a trainer.

Lightning's loop state may be in the middle of a step, loses the position within an epoch, and lacks logged values. This one consists of
five numbers and a flag, taken between steps only, so that a resumed training continues exactly as an uninterrupted one.
"""

import warnings
from dataclasses import dataclass

import mmrec._torchvision  # noqa: F401  first: the imports below may reach torchvision

from lightning.pytorch import Trainer

from mmrec.tasks.internals import is_validation_due, n_logged_steps, set_n_logged_steps


@dataclass(frozen=True)
class Position:
    """The state of the training loops between two steps."""

    epoch: int
    """The number of completed epochs."""
    step: int
    """The number of completed batches in the current epoch."""
    n_batches: int
    """The number of completed batches in total."""
    n_optimizer_steps: int
    n_logged_steps: int
    """The step number that loggers get."""
    validation_is_due: bool
    """Whether validation comes next, before the next batch or the end of the epoch."""


def position_in_epoch(trainer: Trainer) -> Position | None:
    """The position after a batch with an optimizer step, called in `on_train_batch_end` or during the validation that follows.

    None if the end of the epoch comes next: its position is that of the start of the next epoch.
    """
    loop = trainer.fit_loop.epoch_loop
    due = trainer.validating or is_validation_due(trainer)
    step = loop.batch_progress.current.ready
    if step == trainer.num_training_batches and not due:
        return None
    logged = n_logged_steps(trainer) + (not due)  # incremented after validation
    return Position(trainer.current_epoch, step, loop.batch_progress.total.ready, trainer.global_step, logged, due)


def position_between_epochs(trainer: Trainer) -> Position:
    """The position before an epoch, or after the last one."""
    loop = trainer.fit_loop.epoch_loop
    return Position(trainer.current_epoch, 0, loop.batch_progress.total.ready, trainer.global_step, n_logged_steps(trainer), False)


def restore_position(trainer: Trainer, position: Position) -> None:
    """Set the loops of a trainer that has not started to `position`."""
    warnings.filterwarnings("ignore", "You're resuming from a checkpoint that ended before the epoch")  # our loaders do resume
    fit, loop = trainer.fit_loop, trainer.fit_loop.epoch_loop
    epochs, batches = fit.epoch_progress, loop.batch_progress
    counts = (epochs.total, position.epoch), (epochs.current, position.epoch), (batches.total, position.n_batches)
    for tracker, count in (*counts, (batches.current, position.step)):
        tracker.load_state_dict(dict.fromkeys(tracker.state_dict(), count))  # ready, started, processed, completed
    optimizer = loop.automatic_optimization.optim_progress.optimizer
    for progress in (optimizer.step, optimizer.zero_grad):
        progress.total.ready = progress.total.completed = position.n_optimizer_steps
    set_n_logged_steps(trainer, position.n_logged_steps)
    loop.restarting = position.step > 0  # otherwise the epoch starts with its first batch
    if position.validation_is_due:
        # With one validation started and none completed, Lightning validates before anything else.
        loop.val_loop.batch_progress.total.load_state_dict({"ready": 1, "started": 1})
