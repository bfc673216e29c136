"""mmrec.data.folder.write: what is written is read the same again."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from mmrec.data.folder.read import read_folder
from mmrec.data.folder.write import folder_keys, write_dataset
from mmrec.types import ItemVectors, RawInput


def test_a_written_dataset_is_read_the_same(shop_folder: Path, tmp_path: Path) -> None:
    given = read_folder(str(shop_folder))
    vectors = ItemVectors(given.items["item_id"][:3], np.arange(6, dtype=np.float32).reshape(3, 2), "audio.npy")
    given = replace(given, vectors={"audio": vectors}, further_inputs={"about": RawInput(text_columns=("description",))})
    write_dataset(given, tmp_path / "copy")
    read = read_folder(str(tmp_path / "copy"), **folder_keys(given))
    for table in ("interactions", "items", "triples", "item_entities"):
        assert getattr(read, table).equals(getattr(given, table)), table
    assert (read.text_columns, read.image_column, read.further_inputs) == (given.text_columns, given.image_column, given.further_inputs)
    assert read.pictures == str(shop_folder) and read.vectors["audio"].item_ids.to_list() == vectors.item_ids.to_list()
    assert (read.vectors["audio"].values == vectors.values).all()


def test_without_pictures_a_column_that_is_called_so_is_not_taken_for_them(shop_folder: Path, tmp_path: Path) -> None:
    given = replace(read_folder(str(shop_folder)), image_column=None)
    write_dataset(given, tmp_path / "copy")
    assert folder_keys(given) == {} and read_folder(str(tmp_path / "copy")).image_column is None
    assert "image" not in pl.read_parquet(tmp_path / "copy" / "items.parquet").columns
