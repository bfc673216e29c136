"""Apply a learning-rate schedule in a trainer."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import mmrec._torchvision  # noqa: F401  first: the imports below may reach torchvision

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import EarlyStopping

from mmrec.errors import ConfigError
from mmrec.metrics.direction import sign
from mmrec.tasks.encoder_training import PEAK
from mmrec.tasks.training.schedules import Schedule


def planned_steps(schedule: Schedule, trainer: Trainer) -> float:
    """Return the number of optimizer steps of the whole training. Raises ConfigError if a schedule needs a limit and there is none."""
    if not schedule.needs_limit:
        return math.inf
    found = float(trainer.estimated_stepping_batches)
    if math.isinf(found) or found < 0:
        raise ConfigError(f"schedule: {type(schedule).__name__} needs to know when training ends; set trainer.max_epochs, found no limit")
    return found


def set_rates(optimizer: torch.optim.Optimizer, options: Sequence[Mapping[str, Any]], factor: float) -> None:
    """Set the learning rates of the next step: the configured ones times the factor.

    Args:
        optimizer: the optimizer; groups of tuned encoders have the rates of their own warm-up.
        options: the configured options of each parameter group.
        factor: that of the schedule.
    """
    for group, configured in zip(optimizer.param_groups, options, strict=True):
        group["lr"] = (group["lr"] if PEAK in group else configured["lr"]) * factor


def judged_value(means: Mapping[str, float], trainer: Trainer) -> float:
    """Return the metric of a validation by which training is stopped early, or without early stopping the first one; higher is better."""
    stopping = next((one for one in trainer.callbacks if isinstance(one, EarlyStopping)), None)  # type: ignore[attr-defined]
    name = next(iter(means)) if stopping is None else stopping.monitor.removeprefix("val/")
    is_higher_better = sign(name) > 0 if stopping is None else stopping.mode == "max"
    value = means[name] if name in means else next(iter(means.values()))
    return value if is_higher_better else -value
