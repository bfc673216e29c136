"""Vectors are measured on later rows, with users and items that they may not know."""

import polars as pl
import torch

from mmrec.experiment.updating.next_slice import Vectors, measure_rows

ITEMS = pl.Series(["x", "y", "z"])
KNOWN = Vectors(pl.Series(["a", "b"]), pl.Series(["y", "x"]), torch.tensor([[1.0], [3.0]]), torch.tensor([[1.0], [2.0]]))


def rows(*pairs: tuple[str, str]) -> pl.DataFrame:
    return pl.DataFrame(list(pairs), schema={"user_id": pl.String, "item_id": pl.String}, orient="row")


def test_the_best_item_of_a_known_user_comes_first() -> None:
    assert measure_rows(KNOWN, ITEMS, rows(), rows(("a", "x")), 2) == 1.0
    assert 0 < measure_rows(KNOWN, ITEMS, rows(), rows(("a", "y")), 2) < 1


def test_what_a_user_had_before_is_neither_ranked_nor_expected() -> None:
    assert measure_rows(KNOWN, ITEMS, rows(("a", "x")), rows(("a", "y"), ("a", "x")), 1) == 1.0


def test_an_unknown_user_is_the_mean_user_and_an_unknown_item_comes_last() -> None:
    assert measure_rows(KNOWN, ITEMS, rows(), rows(("new", "x")), 1) == 1.0
    assert measure_rows(KNOWN, ITEMS, rows(), rows(("new", "z")), 2) == 0.0


def test_rows_that_nobody_could_know_are_left_out() -> None:
    assert measure_rows(KNOWN, ITEMS, rows(), rows(("a", "x"), ("a", "later"), ("b", "later")), 2) == 1.0
    assert measure_rows(KNOWN, ITEMS, rows(), rows(("a", "later")), 2) == 0.0
