"""What mmrec needs of Lightning and torch that neither has a public name for, all of it here; Hydra's is in `mmrec.cli.hydra.internals`.

Each says why no public name does.
"""

from typing import cast

from lightning.pytorch import Trainer
from lightning.pytorch.loops.fetchers import _DataFetcher
from lightning.pytorch.strategies import ModelParallelStrategy
from lightning.pytorch.strategies.launchers import _MultiProcessingLauncher
from torch import Tensor


class SpawnedModelParallelStrategy(ModelParallelStrategy):
    """Model parallelism that starts its processes itself, by `spawn`.

    `DDPStrategy` takes a `start_method`; `ModelParallelStrategy` does not, and the launcher's class has no public name.
    """

    def _configure_launcher(self) -> None:
        self._launcher = _MultiProcessingLauncher(self, start_method="spawn")


def is_validation_due(trainer: Trainer) -> bool:
    """Return whether validation follows the batch that has just ended.

    It follows from seven settings, among them `val_check_interval`, `check_val_every_n_epoch`, `min_epochs` and whether the loader has a
    length. Lightning decides it in this method alone: rules of our own would part from it with the next release.
    """
    loops = trainer.fit_loop
    return bool(loops.epoch_loop._should_check_val_fx(cast("_DataFetcher", loops._data_fetcher)))


def n_logged_steps(trainer: Trainer) -> int:
    """Return the step that loggers are given.

    Unlike `trainer.global_step` it counts once a batch however many optimizers there are. Only Lightning's checkpoints hold it too.
    """
    return trainer.fit_loop.epoch_loop._batches_that_stepped


def set_n_logged_steps(trainer: Trainer, n_steps: int) -> None:
    """Set the step that loggers are given, of a trainer that has not begun; see `n_logged_steps`."""
    trainer.fit_loop.epoch_loop._batches_that_stepped = n_steps


def uncoalesced_values(gradient: Tensor) -> Tensor:
    """Return the numbers that a sparse gradient holds, in any order, those of one place not yet added up.

    `Tensor.values` wants a coalesced tensor, and to coalesce is to sort all indices, in every step, for a look at what is not finite.
    """
    return gradient._values()
