"""Where training stands between two steps, and how a trainer takes it up again.

Lightning's own account of its loops goes half way through a step, loses the place within an epoch, and leaves out what was logged. This one
is five numbers and a flag, taken between steps alone, so what is resumed has the same future as what was not.
"""

import warnings
from dataclasses import dataclass

from lightning.pytorch import Trainer

from mmrec.tasks.internals import is_validation_due, n_logged_steps, set_n_logged_steps


@dataclass(frozen=True)
class Position:
    """The state of the loops between two steps."""

    epoch: int
    """Epochs that are complete."""
    step: int
    """Batches of the epoch that are done."""
    n_batches: int
    """Batches done since the very start."""
    n_optimizer_steps: int
    n_logged_steps: int
    """The step that loggers are given."""
    validation_is_due: bool
    """Whether validation comes before the next batch or, after the last one, before the end of the epoch."""


def position_in_epoch(trainer: Trainer) -> Position | None:
    """The position after a batch that ended in an optimizer step, asked in `on_train_batch_end` or during the validation that follows.

    None where the end of the epoch comes next: its position is that of the next epoch's start.
    """
    loop = trainer.fit_loop.epoch_loop
    due = trainer.validating or is_validation_due(trainer)
    step = loop.batch_progress.current.ready
    if step == trainer.num_training_batches and not due:
        return None
    logged = n_logged_steps(trainer) + (not due)  # raised after validation
    return Position(trainer.current_epoch, step, loop.batch_progress.total.ready, trainer.global_step, logged, due)


def position_between_epochs(trainer: Trainer) -> Position:
    """The position in front of an epoch, or after the last."""
    loop = trainer.fit_loop.epoch_loop
    return Position(trainer.current_epoch, 0, loop.batch_progress.total.ready, trainer.global_step, n_logged_steps(trainer), False)


def take_up(trainer: Trainer, position: Position) -> None:
    """Puts the loops of a trainer that has not begun at `position`."""
    warnings.filterwarnings("ignore", "You're resuming from a checkpoint that ended before the epoch")  # here loaders start where it stood
    fit, loop = trainer.fit_loop, trainer.fit_loop.epoch_loop
    epochs, batches = fit.epoch_progress, loop.batch_progress
    counts = (epochs.total, position.epoch), (epochs.current, position.epoch), (batches.total, position.n_batches)
    for tracker, count in (*counts, (batches.current, position.step)):
        tracker.load_state_dict(dict.fromkeys(tracker.state_dict(), count))  # ready, started, processed, completed
    optimizer = loop.automatic_optimization.optim_progress.optimizer
    for progress in (optimizer.step, optimizer.zero_grad):
        progress.total.ready = progress.total.completed = position.n_optimizer_steps
    set_n_logged_steps(trainer, position.n_logged_steps)
    loop.restarting = position.step > 0  # else the epoch begins with its first batch
    if position.validation_is_due:
        # One begun and none done: Lightning goes back and validates before anything else.
        loop.val_loop.batch_progress.total.load_state_dict({"ready": 1, "started": 1})
