"""The settings of an update."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmrec.experiment.settings import EvaluateSettings, TrainSettings
from mmrec.tasks.updating.method import UpdateMethod
from mmrec.types import Dataset


@dataclass(frozen=True)
class HeldOutShares:
    """The newest rows of the new interactions that are held out, by fractions of them."""

    valid_ratio: float = 0.1
    """The rows before those of the test part, which decide whether the update is kept."""
    test_ratio: float = 0.1
    """The newest rows, which only measure."""


@dataclass(frozen=True)
class UpdateSettings:
    """The update of a finished run with new data."""

    parent: EvaluateSettings
    """The run to update."""
    out: Path
    """The folder of the updated run."""
    new_data: Callable[[], Dataset]
    run: Callable[[Path, str, Mapping[str, Any]], TrainSettings]
    """Returns the settings of the updated run, given the folder where it is written, the name of its data, and further keys of `data`."""
    method: UpdateMethod
    described: Mapping[str, Any]
    """The method and its arguments as plain values, for run.json."""
    shares: HeldOutShares = HeldOutShares()
    allow_older: bool = False
    """Whether new interactions may be from before the newest one of the run."""
