"""mmrec.data.tables.id_checks: what a person would take for one id, and ids that change their kind half-way."""

import polars as pl
import pytest

from mmrec.data.tables.id_checks import Kinds, near_ids


@pytest.mark.parametrize(
    ("ids", "pair"),
    [
        (["007", "7", "8"], "`007` and `7`"),
        (["a1", "A1"], "`A1` and `a1`"),
        (["a", " a"], "` a` and `a`"),
        (["7", "7.0"], "`7` and `7.0`"),
        (["caf\u00e9", "cafe\u0301"], "`cafe\u0301` and `caf\u00e9`"),
        (["x y", "x  y"], "`x  y` and `x y`"),
        (["a", "a\u200b"], r"`a` and `a\u200b`"),
        (["a", "\ufeffa"], r"`a` and `\ufeffa`"),
        (["soft", "so\u00adft"], r"`soft` and `so\xadft`"),
    ],
)
def test_ids_that_look_alike_are_named(ids: list[str], pair: str) -> None:
    (note,) = near_ids(pl.Series("item_id", [*ids, *ids]))
    assert note == f"item_id: {pair} differ only by case, spaces, invisible characters, leading zeros or Unicode form; they are kept apart"


def test_ids_that_differ_are_left_alone() -> None:
    assert near_ids(pl.Series("item_id", ["1", "10", "a", "b", "0", "00x", "1.5"])) == ()
    assert near_ids(pl.Series("item_id", ["01", "1", "A", "a"]))[0].endswith("form, as do 1 more; they are kept apart")


@pytest.mark.parametrize(
    ("ids", "row"),
    [
        (["1", "2", "a", "b"], 2),
        (["a", "b", "1", "2", "3"], 2),
        (["a", "1", "2"], None),
        (["1", "a", "2", "b"], None),
        (["1", "2"], None),
        (["a"], None),
        ([], None),
    ],
)
def test_a_kind_that_changes_once_is_found(ids: list[str], row: int | None) -> None:
    kinds = Kinds()
    kinds.add(pl.Series(ids, dtype=pl.String), pl.int_range(len(ids), eager=True))
    assert kinds.change == row
