"""The files of a run with interests that decay: `interest_decay.json`, and `half_lives.parquet`."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from mmrec.errors import ConfigError, DataError
from mmrec.experiment.run_folder.files import read_entry, read_table
from mmrec.files.storage import read_json, write_json, write_parquet
from mmrec.models.multimodal.users.decayed_history import DecayedHistory
from mmrec.models.recommender import Recommender
from mmrec.nn.time.kernels import KERNELS, Kernel, kernel_named
from mmrec.types import ITEM_ID, USER_ID

if TYPE_CHECKING:
    from mmrec.experiment.evidence import Evidence

INTEREST_DECAY, HALF_LIVES, INTERESTS = "interest_decay.json", "half_lives.parquet", "interests.parquet"
HALF_LIFE = "half_life_days"


@dataclass(frozen=True)
class SavedDecay:
    """How the interests of a run's users decay."""

    kernel: Kernel
    session_gap_hours: float
    end_s: int
    """The end of the training part, in seconds UTC."""
    overall: float
    """The half-life in days of users and items that are not in `half_lives`; infinite without decay."""
    gate: tuple[float, float] | None
    """The level and the slope of the gate between long-term and short-term interests."""
    half_lives: pl.DataFrame
    """`user_id` or `item_id`, and `half_life_days`, null without decay."""


def write_interest_decay(run_dir: Path, evidence: "Evidence", model: Recommender) -> None:
    """Write the half-lives of a model whose histories have ages; nothing for others."""
    history = getattr(model, "history", None)
    if not isinstance(history, DecayedHistory):
        return
    decay, gate = history.decay, history.gate
    about = {
        "kernel": decay.kernel,
        "session_gap_hours": decay.session_gap_hours,
        "end_s": history.end_s,
        HALF_LIFE: _or_none(decay.overall),
        "gate": None if gate is None else {"level": float(gate.level), "slope": float(gate.positive_slope())},
    }
    write_json(run_dir / INTEREST_DECAY, about)
    name, ids = (USER_ID, evidence.index.user_ids) if decay.of_items is None else (ITEM_ID, evidence.index.item_ids)
    values = decay.of_users if decay.of_items is None else decay.of_items
    table = pl.DataFrame({name: ids, HALF_LIFE: pl.Series([_or_none(value) for value in values.tolist()], dtype=pl.Float64)})
    write_parquet(run_dir / HALF_LIVES, table)


def read_interest_decay(run_dir: Path) -> SavedDecay:
    """Read what `write_interest_decay` wrote.

    Raises:
        ConfigError: the run was trained without decay.
        DataError: a file is damaged.
    """
    path = run_dir / INTEREST_DECAY
    if not path.is_file():
        raise ConfigError(f"{run_dir}: the interests of its users do not decay; `mmrec train time=decay` trains a model whose interests do")
    about = read_json(path)
    name = read_entry(path, about, ("kernel",), str)
    if name not in KERNELS:
        raise DataError(f"{path}: `kernel`: expected one of {', '.join(KERNELS)}, found `{name}`")
    overall = read_entry(path, about, (HALF_LIFE,), float | None)
    gate = read_entry(path, about, ("gate",), dict[str, float] | None)
    return SavedDecay(
        kernel_named(name),
        float(read_entry(path, about, ("session_gap_hours",), float)),
        read_entry(path, about, ("end_s",), int),
        math.inf if overall is None else float(overall),
        None if gate is None else (float(gate["level"]), float(gate["slope"])),
        read_table(run_dir / HALF_LIVES, HALF_LIFE),
    )


def _or_none(days: float) -> float | None:
    return days if math.isfinite(days) else None
