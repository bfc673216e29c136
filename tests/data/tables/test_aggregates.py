"""Aggregates of columns of numbers."""

import polars as pl

from mmrec.data.tables.aggregates import maximum, mean, minimum


def test_are_those_of_the_numbers_that_are_there() -> None:
    values = pl.Series([3, None, 1], dtype=pl.Int64)
    assert (minimum(values), maximum(values), mean(values)) == (1, 3, 2.0)


def test_integers_stay_integers() -> None:
    large = pl.Series([2**53 + 1], dtype=pl.Int64)
    assert minimum(large) == maximum(large) == 2**53 + 1


def test_the_mean_of_booleans_is_a_share() -> None:
    assert mean(pl.Series([True, False, True, True])) == 0.75
