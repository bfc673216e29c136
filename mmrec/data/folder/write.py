"""A dataset written as a folder that `read_folder` reads the same again."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml

from mmrec.data.folder.item_columns import IMAGE_COLUMN
from mmrec.data.folder.settings import FILE
from mmrec.files.storage import write_folder, write_parquet, write_text
from mmrec.types import ITEM_ID, Dataset


def write_dataset(dataset: Dataset, folder: Path) -> None:
    """Write the tables of a dataset, its vectors and an `mmrec.yaml` that says how to read them; whole or not at all.

    Pictures stay where they are: `folder_keys` says where.
    """
    write_folder(folder, lambda target: _write(dataset, target))


def folder_keys(dataset: Dataset) -> dict[str, Any]:
    """Return what a caller of `read_folder` has to say of a dataset that was written: where pictures are, and who has them."""
    keys: dict[str, Any] = {}
    if any(raw.image_column is not None for raw in dataset.inputs.values()):
        keys["pictures"] = dataset.pictures or str(dataset.root.resolve())
    if dataset.hosts.names:
        keys |= {"allow_hosts": list(dataset.hosts.names), "allow_private": dataset.hosts.private}
    return keys


def _write(dataset: Dataset, folder: Path) -> None:
    tables = {
        "interactions": dataset.interactions,
        "items": _items(dataset),
        "triples": dataset.triples,
        "item_entities": dataset.item_entities,
        "users": dataset.users,
        "queries": dataset.queries,
    }
    for name, table in tables.items():
        if table is not None:
            write_parquet(folder / f"{name}.parquet", table)
    for name, vectors in dataset.vectors.items():
        np.save(folder / f"{name}.npy", vectors.values, allow_pickle=False)
        write_parquet(folder / f"{name}_ids.parquet", pl.DataFrame({ITEM_ID: vectors.item_ids}))
    settings: dict[str, Any] = {"text_columns": list(dataset.text_columns)}
    if dataset.image_column is not None:
        settings["image_column"] = dataset.image_column
    if dataset.vectors:
        settings["features"] = {name: f"{name}.npy" for name in dataset.vectors}
    if dataset.further_inputs:
        settings["inputs"] = {
            name: {"text_columns": list(raw.text_columns)} if raw.text_columns else {"image_column": raw.image_column}
            for name, raw in dataset.further_inputs.items()
        }
    write_text(folder / FILE, yaml.safe_dump(settings, allow_unicode=True, sort_keys=False))


def _items(dataset: Dataset) -> pl.DataFrame:
    """The items, without a column that a reader would take for the pictures where the dataset says that there are none."""
    return dataset.items if dataset.image_column is not None else dataset.items.drop(IMAGE_COLUMN, strict=False)
