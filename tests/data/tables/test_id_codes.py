"""Ids as numbers give what plain Python gives that compares the texts: also where hashes collide, and where tables come in pieces."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrec.data.interactions.index import Index
from mmrec.data.interactions.split import deduplicate
from mmrec.data.tables import id_codes as ranks
from mmrec.data.tables.id_codes import distinct, gather, missing, positions, text_order

IDS = ("10", "9", "1", "A", "a", "", "é", "e\u0301", "\U0001f600", "\uffff", "a\0", "twelve bytes", "thirteen byte", "thirteen byt\u00e9")
"""Among them such as another order would sort differently: of numbers, of letters, of UTF-16."""
ROWS = st.lists(
    st.tuples(
        st.sampled_from(IDS),
        st.sampled_from(IDS[:4]),
        st.integers(0, 2),
        st.sampled_from([1.0, 2.0, None]),
        st.sampled_from(["x", "y", None]),
        st.sampled_from(["train", "test", None]),
    ),
    max_size=40,
)
SCHEMA = {
    "user_id": pl.String,
    "item_id": pl.String,
    "timestamp": pl.Int64,
    "rating": pl.Float64,
    "event": pl.String,
    "split": pl.String,
}
HASHES: dict[str, Callable[[pl.Series], pl.Series]] = {
    "as ever": ranks._hash,
    "all the same": lambda ids: pl.select(pl.repeat(7, len(ids), dtype=pl.UInt64)).to_series(),
    "by length": lambda ids: ids.str.len_bytes().cast(pl.UInt64),
}


@contextmanager
def hashed(name: str) -> Iterator[None]:
    """Texts have those hashes, and are looked up three at a time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranks, "_hash", HASHES[name])
        patch.setattr(ranks, "_AT_ONCE", 3)
        yield


def in_pieces(frame: pl.DataFrame) -> pl.DataFrame:
    """The same table as several files leave it."""
    return pl.concat([frame[:5], frame[5:6], frame[6:]], rechunk=False)


def least(value: object) -> tuple:
    """A key that sorts texts by their bytes, and null after all."""
    return value is None, value.encode() if isinstance(value, str) else value or 0


def first_by_hand(frame: pl.DataFrame, keep: str, by: tuple[str, ...]) -> list[dict]:
    """What `deduplicate` says of itself, by comparing rows in Python."""
    sign = -1 if keep == "last" else 1

    def order(row: dict) -> list[tuple]:
        time = [least(sign * row["timestamp"])] if "timestamp" in row else []
        return time + [least(row[name]) for name in frame.columns if name not in (*by, "timestamp")]

    found: dict[tuple, list[dict]] = {}
    for row in frame.rows(named=True):
        found.setdefault(tuple(row[key] for key in by), []).append(row)
    groups = sorted(found, key=lambda group: [(value is not None, (value or "").encode()) for value in group])
    return [min(found[group], key=order) for group in groups]


@pytest.mark.parametrize("hashes", HASHES)
@settings(max_examples=60, deadline=None)
@given(rows=ROWS, keep=st.sampled_from(["first", "last"]), with_split=st.booleans(), without=st.sets(st.sampled_from(list(SCHEMA)[2:5])))
def test_deduplicate_does_as_plain_comparisons_do(hashes: str, rows: list[tuple], keep: str, with_split: bool, without: set[str]) -> None:
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row").drop(without)
    by = ("user_id", "item_id", "split") if with_split else ("user_id", "item_id")
    expected = first_by_hand(frame if with_split else frame.drop("split"), keep, by)
    with hashed(hashes):
        found, n_removed = deduplicate(in_pieces(frame), keep, by)
        again, n_again = deduplicate(found, keep, by)
    assert found.rows(named=True) == expected
    assert n_removed == len(rows) - len(expected)
    assert (again.rows(named=True), n_again) == (expected, 0)
    assert found.schema == {name: SCHEMA[name] for name in found.columns}


@pytest.mark.parametrize("hashes", HASHES)
@settings(max_examples=60, deadline=None)
@given(ids=st.lists(st.sampled_from((*IDS, None)), max_size=30), known=st.permutations(IDS), n_known=st.integers(0, len(IDS)))
def test_positions_do_as_a_dict_does(hashes: str, ids: list[str | None], known: list[str], n_known: int) -> None:
    place = {text: n for n, text in enumerate(known[:n_known])}
    with hashed(hashes):
        for column in (ids, [one for one in ids for _ in range(3)]):  # three in a row: looked up by runs
            found = positions(pl.Series("id", column, dtype=pl.String), pl.Series("id", known[:n_known], dtype=pl.String))
            assert found.to_list() == [place.get(one) for one in column]
            assert found.dtype == pl.UInt32


@pytest.mark.parametrize("hashes", HASHES)
@settings(max_examples=60, deadline=None)
@given(ids=st.lists(st.tuples(st.sampled_from((*IDS, None)), st.sampled_from(IDS)), max_size=30))
def test_text_order_is_that_of_bytes(hashes: str, ids: list[tuple]) -> None:
    frame = pl.DataFrame(ids, schema={"user_id": pl.String, "item_id": pl.String}, orient="row")
    with hashed(hashes):
        order, keys = text_order(in_pieces(frame), ("user_id", "item_id"))
    rows = gather(in_pieces(frame), order).rows()
    assert rows == sorted(ids, key=lambda row: [(one is not None, (one or "").encode()) for one in row])
    assert keys.is_sorted()
    assert [one == other for one, other in pairwise(rows)] == (keys.diff() == 0)[1:].to_list()


@given(st.lists(st.sampled_from((*IDS, None)), max_size=30))
def test_distinct_does_as_a_set_does(ids: list[str | None]) -> None:
    for column in (ids, sorted(ids, key=least)):
        found = distinct(pl.Series(column, dtype=pl.String)).to_list()
        assert len(found) == len(set(found))
        assert set(found) == set(ids)


@pytest.mark.parametrize("hashes", HASHES)
@settings(deadline=None)
@given(ids=st.lists(st.sampled_from(IDS), max_size=30), wanted=st.sets(st.sampled_from(IDS)))
def test_missing_does_as_sets_do(hashes: str, ids: list[str], wanted: set[str]) -> None:
    with hashed(hashes):
        for column in (ids, sorted(ids)):
            found = missing(pl.Series(sorted(wanted), dtype=pl.String), pl.Series(column, dtype=pl.String)).to_list()
            assert sorted(found) == sorted(wanted - set(ids))


def test_an_index_looks_up_users_in_runs_and_items_anywhere() -> None:
    users, items = pl.Series("user_id", ["b", "10", "é"]), pl.Series("item_id", ["9", "x", "10"])
    index = Index(users, items)
    events = index.interactions(pl.DataFrame({"user_id": ["é"] * 5 + ["b"] * 3, "item_id": ["x", "9", "10", "9"] * 2}))
    assert events.user_idx.tolist() == [2] * 5 + [0] * 3
    assert events.item_idx.tolist() == [1, 0, 2, 0] * 2
