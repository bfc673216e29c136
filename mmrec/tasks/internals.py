"""Private parts of Lightning and torch that mmrec needs, collected here; those of Hydra are in `mmrec.config.hydra.internals`.

Each docstring says why there is no public alternative.
"""

from typing import cast

import mmrec._torchvision  # noqa: F401  first: the imports below may reach torchvision

from lightning.pytorch import Trainer
from lightning.pytorch.loops.fetchers import _DataFetcher
from lightning.pytorch.strategies import ModelParallelStrategy
from lightning.pytorch.strategies.launchers import _MultiProcessingLauncher
from torch import Tensor


class SpawnedModelParallelStrategy(ModelParallelStrategy):
    """Model parallelism that spawns its own processes.

    `DDPStrategy` has an argument `start_method`, but `ModelParallelStrategy` does not, and the class of the launcher is private.
    """

    def _configure_launcher(self) -> None:
        self._launcher = _MultiProcessingLauncher(self, start_method="spawn")


def is_validation_due(trainer: Trainer) -> bool:
    """Return whether validation follows the batch that has just ended.

    This depends on seven settings, among them `val_check_interval`, `check_val_every_n_epoch`, `min_epochs` and whether the loader has a
    length. Lightning decides it only in this method; a reimplementation could deviate in a later release.
    """
    loops = trainer.fit_loop
    return bool(loops.epoch_loop._should_check_val_fx(cast("_DataFetcher", loops._data_fetcher)))


def n_logged_steps(trainer: Trainer) -> int:
    """Return the step number that loggers get.

    Unlike `trainer.global_step`, it counts batches independent of the number of optimizers. Otherwise it is only found in Lightning's
    checkpoints.
    """
    return trainer.fit_loop.epoch_loop._batches_that_stepped


def set_n_logged_steps(trainer: Trainer, n_steps: int) -> None:
    """Set the step number that loggers get, for a trainer that has not started; see `n_logged_steps`."""
    trainer.fit_loop.epoch_loop._batches_that_stepped = n_steps


def uncoalesced_values(gradient: Tensor) -> Tensor:
    """Return the values of a sparse gradient, in any order and without summing those at equal positions.

    `Tensor.values` requires a coalesced tensor, and coalescing would sort all indices at every step only to check for non-finite values.
    """
    return gradient._values()
