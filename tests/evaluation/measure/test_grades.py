"""mmrec.evaluation.measure.grades: ratings as grades, whatever their scale, and graded nDCG of lists by hand."""

import math
from pathlib import Path

import polars as pl
import pytest
import torch

from mmrec.data.interactions.index import Index
from mmrec.evaluation.measure.grades import grade_rows, graded_columns, read_grades
from mmrec.metrics.full_ranking import Ranking

INDEX = Index(pl.Series("user_id", ["u", "v"]), pl.Series("item_id", ["a", "b", "c"]))
D2 = 1 / math.log2(3)


def rows(ratings: list[float | None]) -> pl.DataFrame:
    """v's items c and a, and u's item b; entries of the matrix are in the order b, a, c."""
    frame = {"user_id": ["v", "v", "u"], "item_id": ["c", "a", "b"], "rating": ratings}
    return pl.DataFrame(frame, schema_overrides={"rating": pl.Float64})


@pytest.mark.parametrize(
    ("train", "held_out", "grades"),
    [
        ([1.0, 5.0], [5.0, 2.0, 3.0], [3.0, 2.0, 5.0]),  # as they are
        ([0.5, None], [5.0, 0.0, None], [0.5, 0.5, 5.0]),  # below the least of training, and missing: the least
        ([0.0, 10.0], [0.0, 4.0, 10.0], [11.0, 5.0, 1.0]),  # raised by 1
        ([-1.0, 1.0], [1.0, -1.0, -3.0], [1.0, 1.0, 3.0]),  # raised by 2
    ],
)
def test_a_grade_is_the_rating_or_raised_above_zero(train: list, held_out: list, grades: list) -> None:
    found = grade_rows(rows(held_out), pl.Series(train), INDEX)
    assert found.positives.indptr.tolist() == [0, 1, 3] and found.positives.indices.tolist() == [1, 0, 2]
    assert found.grades.tolist() == grades


def test_without_ratings_in_training_there_are_no_grades(tmp_path: Path) -> None:
    assert grade_rows(rows([1.0, 2.0, 3.0]), pl.Series([None, None], dtype=pl.Float64), INDEX) is None
    for part in ("train", "valid", "test"):
        rows([1.0, 2.0, 3.0]).drop("rating").write_parquet(tmp_path / f"{part}.parquet")
    assert read_grades(tmp_path, INDEX) == (None, None)


def test_both_parts_are_read(tmp_path: Path) -> None:
    for part, ratings in (("train", [0.0, 1.0, 1.0]), ("valid", [1.0, 1.0, 1.0]), ("test", [0.0, 1.0, 2.0])):
        rows(ratings).write_parquet(tmp_path / f"{part}.parquet")
    found = read_grades(tmp_path, INDEX)
    assert found.valid.grades.tolist() == [2.0, 2.0, 2.0] and found.test.grades.tolist() == [3.0, 2.0, 1.0]


def test_graded_ndcg_of_lists() -> None:
    """u finds b second; v, who has a grade of 2 and one of 5, finds only the lesser, first."""
    graded = grade_rows(rows([5.0, 2.0, 3.0]), pl.Series([1.0]), INDEX)
    ranking = Ranking(torch.tensor([0, 1]), torch.tensor([[2, 1, -1], [0, 1, -1]]), torch.zeros(2, 3))
    found = graded_columns(ranking, graded, [1, 2])
    assert found["graded_ndcg@1"].tolist() == pytest.approx([0.0, 2 / 5])
    assert found["graded_ndcg@2"].tolist() == pytest.approx([D2, 2 / (5 + 2 * D2)])
