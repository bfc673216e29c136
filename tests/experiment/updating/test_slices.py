"""Slices of a stream: rows in order of time, items with their first interaction, and probes that are in no slice."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest

from mmrec.errors import ConfigError, DataError
from mmrec.experiment.updating.slices import divide
from mmrec.types import Dataset

ROWS = pl.DataFrame(
    [(f"u{n % 11}", f"i{n % 20 if n >= 60 else 20 + n % 40}", 1000 - n) for n in range(120)],
    schema=["user_id", "item_id", "timestamp"],
    orient="row",
)
ITEMS = pl.DataFrame({"item_id": [f"i{n}" for n in range(61)], "title": [f"t{n}" for n in range(61)]})
TRIPLES = pl.DataFrame({"head": [f"i{n}" for n in range(61)], "relation": "is", "tail": "thing"})
DATASET = Dataset("shop", Path("here"), ROWS, ITEMS, ("title",), triples=TRIPLES)


def test_rows_are_in_order_and_each_is_in_one_slice_or_a_probe() -> None:
    slices = divide(DATASET, 4, 0)
    times = [part.interactions["timestamp"] for part in slices.parts]
    assert all(one.max() < other.min() for one, other in pairwise(times))
    assert sum(map(len, times)) + len(slices.probes) <= len(ROWS)
    assert len(slices.probes) and slices.probes.join(slices.parts[0].interactions, on=["user_id", "item_id"], how="inner").is_empty()


def test_items_and_triples_come_with_the_first_interaction() -> None:
    slices, known = divide(DATASET, 4, 0), set[str]()
    for part in slices.parts:
        new = set(part.items["item_id"])
        assert not new & known and set(part.interactions["item_id"]) <= known | new
        assert new == (set() if part.triples is None else set(part.triples["head"]))
        known |= new
    assert "i60" not in known


def test_rows_of_slices() -> None:
    slices = divide(DATASET, 3, 0)
    assert slices.rows_until(2).equals(pl.concat([slices.rows_of(1), slices.rows_of(2)]))


def test_what_cannot_be_divided_is_refused() -> None:
    with pytest.raises(DataError, match="a stream needs a column `timestamp`"):
        divide(replace(DATASET, interactions=ROWS.drop("timestamp")), 3, 0)
    with pytest.raises(ConfigError, match=r"board\.slices: expected at least 3"):
        divide(DATASET, 2, 0)
