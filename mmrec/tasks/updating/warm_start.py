"""Start a training with the optimizer state of an earlier one."""

import copy
from collections.abc import Mapping
from typing import Any, final

import mmrec._torchvision  # noqa: F401  first: the imports below may reach torchvision

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback


@final
class WarmOptimizer(Callback):
    """Gives the optimizer a state when training starts; its options are those of the task.

    Args:
        state: the `state_dict` of an optimizer of the same parameters.
    """

    def __init__(self, state: Mapping[str, Any]) -> None:
        self.state = state

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        trainer.optimizers[0].load_state_dict(copy.deepcopy(dict(self.state)))
