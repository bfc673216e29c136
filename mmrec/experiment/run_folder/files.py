"""Read the files of a run folder, with checks that name a damaged file."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import polars as pl
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from mmrec.data.interactions.index import Index
from mmrec.data.interactions.split import Split
from mmrec.errors import DataError, MissingFile
from mmrec.type_hints import fits
from mmrec.types import ITEM_ID, USER_ID

PARTS = ("train", "valid", "test")
SEARCH = "search.json"
"""Of a model that answers search queries: its kind and encoders, see `mmrec.experiment.run_folder.search`."""
RATING_HEAD = "rating_head.json"
"""Of a model of ratings: what its scores stand for, see `mmrec.nn.heads.rating`."""
CLICK_HEAD = "click_head.json"
"""Likewise of a model of clicks, see `mmrec.nn.heads.click`."""


TASKS = "tasks"
"""The folder of the tasks of a run that has several, other than the leading one, each of which has the files of a run."""


def part_folder(run_dir: Path, name: str, lead: str) -> Path:
    """The folder of the results of one of several tasks: that of the run for the leading one."""
    return run_dir if name == lead else run_dir / TASKS / name


def folder_with(run_dir: Path, name: str) -> Path:
    """The folder that has a file of this name: that of the run, or of one of its tasks; that of the run if none has."""
    folders = (run_dir, *sorted(run_dir.glob(f"{TASKS}/*")))
    return next((folder for folder in folders if (folder / name).is_file()), run_dir)


def checkpoint_folder(run_dir: Path, seed: int) -> Path:
    """The folder of a seed's checkpoints."""
    return run_dir / "checkpoints" / f"seed_{seed}"


def read_entry(path: Path, values: object, keys: Sequence[str], hint: Any) -> Any:
    """The value at nested `keys` in the content of a JSON file.

    Raises DataError, naming the file, if it is missing or does not match the type `hint` (see `mmrec.type_hints.fits`).
    """
    for depth, key in enumerate(keys):
        if not isinstance(values, dict) or key not in values:
            raise DataError(f"{path}: expected `{'.'.join(keys[: depth + 1])}`, found none; the file is invalid")
        values = values[key]
    if not fits(values, hint):
        raise DataError(f"{path}: `{'.'.join(keys)}`: expected {getattr(hint, '__name__', hint)}, found {type(values).__name__}")
    return values


def read_measured(path: Path, metrics: object, model: str) -> dict[str, float]:
    """The metrics of one model in the content of metrics.json. Raises DataError if one is not a number."""
    measured = read_entry(path, metrics, ("models", model), dict[str, float])
    for name, value in measured.items():
        if not fits(value, float) or not math.isfinite(value):
            raise DataError(f"{path}: `models.{model}.{name}`: expected a number, found `{value}`")
    return cast("dict[str, float]", measured)


def read_table(path: Path, *columns: str) -> pl.DataFrame:
    """Read a Parquet table with these columns. Raises MissingFile, or DataError if it cannot be read or lacks one."""
    if not path.is_file():
        raise MissingFile(f"{path}: not found; it is part of a run folder")
    try:
        table = pl.read_parquet(path, glob=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{path}: the table cannot be read, it is damaged or truncated: {str(error).splitlines()[0]}") from error
    if missing := [name for name in columns if name not in table.columns]:
        raise DataError(f"{path}: expected a column `{missing[0]}`, found {', '.join(table.columns) or 'none'}")
    return table


def read_split(run_dir: Path, recorded: object) -> dict[str, pl.DataFrame]:
    """The three parts of a run's split. Raises DataError if they do not match run.json, whose content is `recorded`."""
    parts = {part: read_table(run_dir / "split" / f"{part}.parquet", USER_ID, ITEM_ID) for part in PARTS}
    expected = read_entry(run_dir / "run.json", recorded, ("split", "hash"), str)
    if (found := Split(parts["train"], parts["valid"], parts["test"], "").hash) != expected:
        rows = {part: read_entry(run_dir / "run.json", recorded, ("split", part), int) for part in PARTS}
        other = next((part for part in PARTS if len(parts[part]) != rows[part]), None)
        where = f"{run_dir / 'split' / f'{other}.parquet'}: expected {rows[other]:,} rows, found {len(parts[other]):,}" if other else None
        raise DataError(where or f"{run_dir / 'split'}: expected tables of hash {expected}, found {found}; were they changed?")
    return parts


def read_index(run_dir: Path, parts: dict[str, pl.DataFrame]) -> Index:
    """The users and items of a run in the order of its vectors, which also breaks ties.

    Raises DataError if a part of the split has other ids, or an id is repeated.
    """
    index = Index(read_table(run_dir / "users.parquet", USER_ID)[USER_ID], read_table(run_dir / "items.parquet", ITEM_ID)[ITEM_ID])
    for path, key, ids in ((run_dir / "users.parquet", USER_ID, index.user_ids), (run_dir / "items.parquet", ITEM_ID, index.item_ids)):
        if ids.n_unique() != len(ids):
            raise DataError(f"{path}: expected distinct ids, found {len(ids):,} rows of {ids.n_unique():,} ids")
        for part, rows in parts.items():
            unknown = rows[key].filter(~rows[key].is_in(ids.implode()))
            if len(unknown):
                raise DataError(f"{path}: expected every {key} of the split, lacks `{unknown[0]}` of {part}.parquet")
    return index


def read_vectors(run_dir: Path, n_users: int, n_items: int) -> tuple[Tensor, Tensor]:
    """The vectors of users and items. Raises DataError if their numbers differ, or one is not finite."""
    path = run_dir / "vectors.safetensors"
    if not path.is_file():
        raise MissingFile(f"{path}: not found; recommending requires the vectors of the run")
    try:
        vectors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise DataError(f"{path}: the vectors cannot be read, the file is damaged or truncated: {error}") from error
    for name, expected in (("users", n_users), ("items", n_items)):
        shape = tuple(vectors[name].shape) if name in vectors else ()
        if len(shape) != 2 or shape[0] != expected:
            raise DataError(f"{path}: `{name}`: expected {expected:,} vectors, as {name}.parquet has rows, found shape {list(shape)}")
        if not vectors[name].isfinite().all():
            raise DataError(f"{path}: `{name}`: expected finite numbers, found NaN or infinity")
    if vectors["users"].shape[1] != vectors["items"].shape[1]:
        raise DataError(
            f"{path}: expected users and items of one length, found {vectors['users'].shape[1]} and {vectors['items'].shape[1]}"
        )
    return vectors["users"], vectors["items"]
