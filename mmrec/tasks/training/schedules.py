"""Learning-rate schedules: a factor of all learning rates as a function of the optimizer step, or of what validation finds."""

import math
from abc import ABC, abstractmethod
from typing import Any, ClassVar


class Schedule(ABC):
    """A factor of every learning rate.

    Only `PlateauRate` has a state, which checkpoints contain, so that a resumed training continues exactly.
    """

    needs_limit: ClassVar[bool]
    """Whether the factor depends on `n_steps`, which must then be finite."""

    @abstractmethod
    def factor(self, step: int, n_steps: float) -> float:
        """Return the factor of an optimizer step.

        Args:
            step: the number of steps before it.
            n_steps: the number of steps of the whole training, as limited by `trainer.max_epochs`; infinite without a limit.
        """


class ConstantRate(Schedule):
    """Linear from 0 over `warmup_steps`, then 1.

    Args:
        warmup_steps: optimizer steps over which the rate rises.
    """

    needs_limit = False

    def __init__(self, warmup_steps: int = 0) -> None:
        self.warmup_steps = warmup_steps

    def factor(self, step: int, n_steps: float) -> float:
        return _warmup(step, self.warmup_steps)


class DecayingRate(Schedule):
    """Linear from 0 over `warmup_steps`, then from 1 to `final` at the last step.

    Args:
        warmup_steps: optimizer steps over which the rate rises.
        final: the factor at the end.
    """

    needs_limit = True

    def __init__(self, warmup_steps: int = 0, final: float = 0.0) -> None:
        self.warmup_steps, self.final = warmup_steps, final

    def factor(self, step: int, n_steps: float) -> float:
        return min(_warmup(step, self.warmup_steps), self.decayed(_share_done(step, self.warmup_steps, n_steps)))

    @abstractmethod
    def decayed(self, done: float) -> float:
        """Return the factor after a fraction of the steps that follow the warm-up."""


class CosineRate(DecayingRate):
    """`DecayingRate` by half a cosine (Loshchilov & Hutter 2017, eq. 5, without restarts)."""

    def decayed(self, done: float) -> float:
        return self.final + (1 - self.final) * (1 + math.cos(math.pi * done)) / 2


class LinearRate(DecayingRate):
    """`DecayingRate` by a straight line."""

    def decayed(self, done: float) -> float:
        return 1 - (1 - self.final) * done


class OneCycleRate(Schedule):
    """Half a cosine from `initial` up to 1 in the first `rise` of all steps, then one down to `final` (Smith & Topin 2019).

    The configured learning rates are thus the largest ones. Momentum is unchanged.

    Args:
        initial: the factor at the start.
        final: the factor at the end.
        rise: the fraction of steps before the peak.
    """

    needs_limit = True

    def __init__(self, initial: float = 0.04, final: float = 0.0001, rise: float = 0.3) -> None:
        self.initial, self.final, self.rise = initial, final, rise

    def factor(self, step: int, n_steps: float) -> float:
        done, last = step / max(1.0, n_steps - 1), self.rise
        if done < last:
            return self.initial + (1 - self.initial) * (1 - math.cos(math.pi * done / last)) / 2
        after = min(1.0, (done - last) / max(1e-12, 1 - last))
        return self.final + (1 - self.final) * (1 + math.cos(math.pi * after)) / 2


class PlateauRate(Schedule):
    """Multiplied by `reduction` when the validation metric has not improved for more than `plateau_epochs` epochs.

    Args:
        reduction: the factor of a reduction.
        plateau_epochs: epochs without improvement that are tolerated. Smaller than `selection.patience`, which ends the training.
        least: the smallest factor.
        warmup_steps: optimizer steps over which the rate rises.
    """

    needs_limit = False

    def __init__(self, reduction: float = 0.5, plateau_epochs: int = 2, least: float = 0.01, warmup_steps: int = 0) -> None:
        self.reduction, self.plateau_epochs, self.least, self.warmup_steps = reduction, plateau_epochs, least, warmup_steps
        self.level, self.best, self.n_bad = 1.0, float("nan"), 0

    def factor(self, step: int, n_steps: float) -> float:
        return self.level * _warmup(step, self.warmup_steps)

    def observe(self, value: float) -> None:
        """Count an epoch with this value of the validation metric, of which a higher one is better, and reduce the factor if it is due."""
        if not value <= self.best:  # also the first one
            self.best, self.n_bad = value, 0
            return
        self.n_bad += 1
        if self.n_bad > self.plateau_epochs:
            self.level, self.n_bad = max(self.least, self.level * self.reduction), 0

    @property
    def state(self) -> dict[str, Any]:
        """What a checkpoint stores."""
        return {"level": self.level, "best": self.best, "n_bad": self.n_bad}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a stored `state`."""
        self.level, self.best, self.n_bad = float(state["level"]), float(state["best"]), int(state["n_bad"])


def _warmup(step: int, warmup_steps: int) -> float:
    return min(1.0, (step + 1) / max(1, warmup_steps))


def _share_done(step: int, warmup_steps: int, n_steps: float) -> float:
    """The fraction of the steps after the warm-up that is done: 1 at the last one."""
    return min(1.0, max(0, step - warmup_steps) / max(1.0, n_steps - 1 - warmup_steps))
