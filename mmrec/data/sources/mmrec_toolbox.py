"""Read a dataset in the format of the toolbox enoche/MMRec: numbered users and items, precomputed item features and given parts.

name.inter          userID, itemID[, rating][, timestamp], x_label: 0 train, 1 valid, 2 test; tab-separated
text_feat.npy       row i is the text feature of item i    (optional, like all below)
image_feat.npy      row i is its image feature
i_id_mapping.csv    itemID, and the original id; separated by tabs or commas
u_id_mapping.csv    userID, and the original id
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import polars as pl
from jaxtyping import Float32

from mmrec.data.folder.read import assemble, find_folder, hash_files, reading_notes, row_counts
from mmrec.data.folder.vectors import open_npy
from mmrec.data.tables.columns import Column, ReadTable, read_table
from mmrec.data.tables.delimited.encoding import TextEncoding, check_encoding
from mmrec.data.tables.formats import open_table
from mmrec.data.tables.problems import Problem, Problems
from mmrec.errors import DataError
from mmrec.files.limits import DEFAULTS, Limits
from mmrec.files.locate import missing_file
from mmrec.types import IMAGE, ITEM_ID, PARTS, RATING, SPLIT, TEXT, TIMESTAMP, USER_ID, Dataset, ItemVectors

_LABEL = "x_label"
_THEIRS = {USER_ID: "userID", ITEM_ID: "itemID"}
_COLUMNS = (
    Column(USER_ID, "id"),
    Column(ITEM_ID, "id"),
    Column(TIMESTAMP, "seconds", optional=True),
    Column(RATING, "number", optional=True),
    Column(_LABEL, "text"),
)
_FEATURES = {TEXT: "text_feat.npy", IMAGE: "image_feat.npy"}
_MAPPINGS = {ITEM_ID: "i_id_mapping.csv", USER_ID: "u_id_mapping.csv"}


def read_mmrec_toolbox(path: str, name: str | None = None, limits: Limits = DEFAULTS, encoding: str | None = None) -> Dataset:
    """Read the dataset `name` in the folder `path`.

    The features become the `vectors` of text and images; items with an all-zero row lack the modality. The column `original_id` holds the
    original ids of users and items.

    Args:
        path: the folder; `~` is expanded.
        name: the name of the `.inter` file. None: that of the folder.
        limits: the largest sizes that are accepted.
        encoding: the encoding of text files that are not UTF-8. None: detected.

    Raises:
        MissingFile: the folder does not exist or has no interactions.
        DataProblems: rows of a table cannot be used, or features lack an item's row or are not finite.
        DataError: a file cannot be read, or lacks a column.
    """
    folder = find_folder(path)
    name = name or folder.resolve().name
    inter = folder / f"{name}.inter"
    if not inter.is_file():
        raise missing_file(inter)
    mappings = {key: file for key, called in _MAPPINGS.items() if (file := folder / called).is_file()}
    features = {modality: file for modality, called in _FEATURES.items() if (file := folder / called).is_file()}
    problems = Problems()
    texts = TextEncoding([inter, *mappings.values()], encoding and check_encoding(encoding, "data.encoding"))
    tables = {"interactions": _read_interactions(inter, problems, limits, texts)}
    tables |= {key: _read_mapping(file, key, problems, limits, texts) for key, file in mappings.items()}
    item_ids = tables["interactions"].frame[ITEM_ID]
    vectors = {modality: _read_vectors(file, item_ids, problems) for modality, file in features.items()}
    problems.raise_any()
    dataset = assemble(folder, _frames({key: table.frame for key, table in tables.items()}, vectors), text_columns=[])
    present = {modality: _without_zeros(values, features[modality].name) for modality, values in vectors.items()}
    zeros = tuple(
        f"{found.source}: {n_out:,} of {len(vectors[modality]):,} rows are all zeros: their items count as without"
        for modality, found in present.items()
        if (n_out := len(vectors[modality]) - len(found.values))
    )
    return replace(
        dataset,
        name=name,
        vectors=present,
        counts=row_counts([("interactions", tables["interactions"])]),
        content_hash=hash_files([inter, *mappings.values(), *features.values()]),
        notes=reading_notes(tables) + zeros + dataset.notes,
    )


def _read_interactions(path: Path, problems: Problems, limits: Limits, encoding: TextEncoding) -> ReadTable:
    table = read_table(open_table(path, "\t", None, limits, encoding), _COLUMNS, problems, _THEIRS)
    if not table.n_read:
        raise DataError(f"{path}: expected at least one row below the header, found none")
    no_number = ~table.frame[ITEM_ID].str.contains(r"^[0-9]{1,9}$")
    table = table.without(no_number, problems, ITEM_ID, "no-number", lambda value: f"expected a whole number from 0, found `{value}`")
    labels = {str(number): part for number, part in enumerate(PARTS)}
    parts = table.frame[_LABEL].replace_strict(labels, default=None, return_dtype=pl.String)
    table = table.without(parts.is_null(), problems, _LABEL, "no-part", lambda value: f"expected 0, 1 or 2, found `{value or ''}`")
    item_id, split = pl.col(ITEM_ID).cast(pl.Int64).cast(pl.String), pl.col(_LABEL).replace_strict(labels).alias(SPLIT)
    return table._replace(frame=table.frame.with_columns(item_id, split).drop(_LABEL))


def _read_mapping(path: Path, key: str, problems: Problems, limits: Limits, encoding: TextEncoding) -> ReadTable:
    """The original ids by number, from the other column, whatever its name."""
    file = open_table(path, "\t", None, limits, encoding)
    if len(file.columns) == 1:
        file = open_table(path, limits=limits, encoding=encoding)
    before = next((name for name in file.columns if name != _THEIRS[key]), "original_id")
    table = read_table(file, (Column(key, "id"), Column("original_id", "id")), problems, {key: _THEIRS[key], "original_id": before})
    return table.once_each(key, problems)


def _read_vectors(path: Path, item_ids: pl.Series, problems: Problems) -> Float32[np.ndarray, "n_rows dim"]:
    """The features of all items; wrong rows become problems. Raises DataError if the file is not a numeric table."""
    with np.errstate(over="ignore"):
        values = np.array(open_npy(path), dtype=np.float32)
    broken = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if len(broken):
        shown = [
            Problem("no-number", f"{path}:row {row + 1}", f"expected finite numbers for the item `{row}`")
            for row in broken[: max(1, problems.room)].tolist()
        ]
        problems.add(str(path), shown, len(broken))
    last = cast("int | None", item_ids.cast(pl.Int64).max())
    if last is not None and last >= len(values):
        reason = f"expected a row for each item from `0` to `{last}`, found {len(values):,} rows"
        problems.add(str(path), [Problem("missing-row", str(path), reason)])
    return values


def _frames(read: Mapping[str, pl.DataFrame], vectors: Mapping[str, np.ndarray]) -> dict[str, pl.DataFrame]:
    """The tables of the dataset; every item with a feature row is part of the catalogue, even without interactions."""
    n_rows = max((len(values) for values in vectors.values()), default=0)
    items = _numbers(range(n_rows)).to_frame()
    if ITEM_ID in read:
        items = pl.concat([items, read[ITEM_ID].select(ITEM_ID)]).unique(maintain_order=True)
        items = items.join(read[ITEM_ID], on=ITEM_ID, how="left", maintain_order="left")
    users = {"users": read[USER_ID]} if USER_ID in read else {}
    return {"interactions": read["interactions"], "items": items} | users


def _without_zeros(values: Float32[np.ndarray, "n_rows dim"], source: str) -> ItemVectors:
    rows = np.flatnonzero(values.any(axis=1))
    return ItemVectors(_numbers(rows), values[rows], source)


def _numbers(rows: range | np.ndarray) -> pl.Series:
    return pl.Series(ITEM_ID, rows, dtype=pl.Int64).cast(pl.String)
