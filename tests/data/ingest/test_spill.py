"""Rows on disk by range of user: none lost, the files in text order, each user in one of them."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmrec.data.ingest import spill
from mmrec.data.ingest.spill import Sample, Spill


@given(st.lists(st.lists(st.sampled_from(["a", "b", "ü", "雪", "B", "aa", None]), max_size=9), max_size=6), st.integers(1, 8))
def test_bounds_rise_and_are_ids(pieces: list[list[str | None]], rows_a_file: int) -> None:
    sample = Sample()
    for piece in pieces:
        sample.add(pl.Series(piece, dtype=pl.String))
    ids = [one for piece in pieces for one in piece if one is not None]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spill, "ROWS_A_FILE", rows_a_file)
        bounds = sample.bounds().to_list()
    assert sample.n == len(ids)
    assert bounds == sorted(set(bounds), key=str.encode)
    assert set(bounds) <= set(ids)
    assert len(bounds) < max(1, -(-len(ids) // rows_a_file)) + 1


def test_a_long_stream_is_thinned_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spill, "_SAMPLE", 64)
    monkeypatch.setattr(spill, "ROWS_A_FILE", 1000)
    sample, ids = Sample(), pl.Series([f"{k:05}" for k in range(10_000)])
    for start in range(0, 10_000, 77):
        sample.add(ids[start : start + 77])
    assert np.abs(sample.bounds().cast(pl.Int64).to_numpy() - np.arange(1000, 10_000, 1000)).max() < 400


def test_rows_come_back_in_files_by_user_and_can_be_changed(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    rows = pl.DataFrame({"user_id": [f"u{k}" for k in draw.integers(0, 50, 500)], "item_id": draw.integers(0, 9, 500).astype(np.uint32)})
    spilt = Spill(tmp_path / "rows", pl.Series(["u2", "u30", "u4"]), rows.schema)
    for start in range(0, 500, 60):
        spilt.add(rows[start : start + 60])
    spilt.close()
    tables = list(spilt())
    assert len(tables) == len(spilt) == 4
    assert pl.concat(tables).sort(pl.all()).equals(rows.sort(pl.all()))
    assert pl.concat([table.sort("user_id", maintain_order=True) for table in tables]).equals(rows.sort("user_id", maintain_order=True))
    assert [table["user_id"].min() for table in tables[1:]] == ["u2", "u30", "u4"]
    spilt.rewrite(lambda table: table.filter(pl.col("item_id") > 20), "emptying")
    assert [table.schema for table in spilt("item_id")] == [pl.Schema({"item_id": pl.UInt32})] * 4
    assert sum(map(len, spilt())) == 0
