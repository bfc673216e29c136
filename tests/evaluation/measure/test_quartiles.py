"""mmrec.evaluation.measure.quartiles: quartiles named by what is in them."""

import polars as pl
import pytest

from mmrec.evaluation.measure.quartiles import bin_quartiles, finite, is_measured


def test_quartiles_are_named_by_their_least_and_greatest() -> None:
    """Of 1 to 8 the quartiles are 2.75, 4.5 and 6.25; what is not known has no bin."""
    found = bin_quartiles(pl.Series("age", [8.0, 1.0, 2.0, None, 3.0, 4.0, 5.0, 6.0, 7.0, float("nan")]))
    assert found.to_list() == ["7–8", "1–2", "1–2", None, "3–4", "3–4", "5–6", "5–6", "7–8", None]
    assert found.name == "age"
    assert found.drop_nulls().unique().sort().to_list() == ["1–2", "3–4", "5–6", "7–8"]


def test_names_sort_by_number_and_equals_stay_together() -> None:
    found = bin_quartiles(pl.Series([9.0, 9.0, 9.0, 9.0, 9.0, 100.0, 10.0, -2.5]))
    assert found.to_list() == ["-2.5–9"] * 5 + ["10–100", "10–100", "-2.5–9"]
    assert found.unique().sort().to_list() == ["-2.5–9", "10–100"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pl.Series([*range(26), 0]), True),
        (pl.Series([*range(25), 0]), False),  # 25 distinct values are groups themselves
        (pl.Series(range(30)), False),  # a number of its own for each: a key
        (pl.Series([i + 0.5 for i in range(30)]), True),
        (pl.Series([*range(26), 0, None]), True),
        (pl.Series([str(i % 25) for i in range(50)]), False),
        (pl.Series([float("nan")] * 30), False),
    ],
)
def test_what_is_measured_and_what_is_a_key(values: pl.Series, expected: bool) -> None:
    assert is_measured(values) is expected


def test_large_numbers_that_lie_close_have_names_of_their_own() -> None:
    seconds = pl.Series([1_700_000_000 + i for i in range(40)])
    assert bin_quartiles(seconds).unique().sort().to_list()[:2] == ["1700000000–1700000009", "1700000010–1700000019"]


def test_what_is_not_finite_is_not_known() -> None:
    assert finite(pl.Series([1, None])).to_list() == [1.0, None]
    assert finite(pl.Series([1.0, float("inf"), float("nan")])).to_list() == [1.0, None, None]
