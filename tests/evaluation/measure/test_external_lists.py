"""mmrec.evaluation.measure.external_lists: another system's rows become the lists that our own ranking would make of the same scores."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from torch import Tensor

from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.data.interactions.index import Index
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.errors import DataError, MissingFile
from mmrec.evaluation.measure.external_lists import describe_cleaning, rank_predictions, read_predictions
from mmrec.metrics.full_ranking import rank_users

INDEX = Index(pl.Series(["c", "a", "b", "d"]), pl.Series(["z", "x", "y", "w"]))


def make_matrix(pairs: list[tuple[int, int]], n_users: int = 4, n_items: int = 4) -> InteractionMatrix:
    return InteractionMatrix.from_pairs(*torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2).unbind(1), n_users, n_items)


@pytest.fixture
def data() -> EvaluationSet:
    """Users a, b and d (1, 2 and 3) have test rows, c has none; a has seen z."""
    return EvaluationSet.build(make_matrix([(0, 0), (1, 0)]), make_matrix([(1, 1), (2, 2), (3, 3)]))


def rows(*triples: tuple[str, str, float]) -> pl.DataFrame:
    return pl.DataFrame(triples, schema=["user_id", "item_id", "score"], orient="row")


def test_rows_become_lists_and_everything_is_counted(data: EvaluationSet) -> None:
    predictions = rows(
        *[("a", "z", 9.0), ("a", "y", 1.0), ("a", "x", 2.0), ("a", "y", 3.0), ("a", "nowhere", 5.0)],
        *[("b", "w", 0.5), ("b", "z", 0.5), ("b", "y", 0.5), ("b", "x", 0.7)],
        *[("c", "x", 1.0), ("nobody", "x", 1.0), ("none", "nowhere", 1.0)],
    )
    ranking, cleaning = rank_predictions(predictions, INDEX, data, length=3, k=3)
    assert ranking.user_idx.tolist() == [1, 2, 3]
    assert ranking.item_idx.tolist() == [[2, 1, -1], [1, 0, 2], [-1, -1, -1]]  # y's best is 3.0; z, y, w tie: least item_idx first
    assert ranking.scores[0].tolist() == [3.0, 2.0, -torch.inf]
    counts = (cleaning.rows, cleaning.rows_of_unknown_users, cleaning.rows_of_unknown_items, cleaning.rows_of_users_without_positives)
    assert counts == (12, 2, 1, 1)
    assert (cleaning.repeated_rows, cleaning.seen_rows) == (1, 1)
    assert (cleaning.test_users, cleaning.users_without_a_list, cleaning.users_with_short_lists) == (3, 1, 1)
    assert (cleaning.unknown_users, cleaning.unknown_items) == (("nobody", "none"), ("nowhere",))
    assert describe_cleaning(cleaning, 3) == [
        "2 rows of users that are not in the run, left out (`nobody`, `none`, …)",
        "1 rows of items that are not in the run, left out (`nowhere`, …)",
        "1 rows of users without test interactions, left out",
        "1 repeated rows, the best of each pair kept",
        "1 rows of items with training or validation interactions of the user, filtered",
        "1 of 3 test users have no list and count with zero",
        "1 of 3 test users have a list shorter than 3",
    ]


@pytest.mark.parametrize("seed", range(5))
def test_a_file_of_all_scores_ranks_as_the_scorer_itself_ties_included(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n_users, n_items = 12, 30
    scores = rng.integers(0, 5, (n_users, n_items)).astype(np.float32)
    index = Index(pl.Series([f"u{i}" for i in range(n_users)]), pl.Series([f"i{i}" for i in range(n_items)]))
    pairs = [make_matrix(np.argwhere(rng.random((n_users, n_items)) < share).tolist(), n_users, n_items) for share in (0.3, 0.05)]
    data = EvaluationSet.build(*pairs)

    class Dense:
        def score_users(self, user_idx: Tensor) -> Tensor:
            return torch.from_numpy(scores)[user_idx]

    users, items = np.divmod(rng.permutation(n_users * n_items), n_items)
    table = pl.DataFrame({"user_id": [f"u{u}" for u in users], "item_id": [f"i{i}" for i in items], "score": scores[users, items]})
    ours, theirs = rank_users(Dense(), data.user_idx, data.seen, 30), rank_predictions(table, index, data, 30, 10)[0]
    for mine, same in zip(ours, theirs, strict=True):
        assert torch.equal(mine, same)


def test_only_a_file_without_one_known_row_is_an_error(data: EvaluationSet) -> None:
    with pytest.raises(DataError, match="knows none of the user_ids, such as `A`"):
        rank_predictions(rows(("A", "x", 1.0)), INDEX, data, 3, 3)
    with pytest.raises(DataError, match="knows none of the item_ids, such as `X`"):
        rank_predictions(rows(("a", "X", 1.0)), INDEX, data, 3, 3)
    with pytest.raises(DataError, match="no row has a user and an item"):
        rank_predictions(rows(("a", "X", 1.0), ("A", "x", 1.0)), INDEX, data, 3, 3)
    with pytest.raises(DataError, match="expected at least one row"):
        rank_predictions(rows().cast({"user_id": pl.String, "item_id": pl.String, "score": pl.Float64}), INDEX, data, 3, 3)


def test_every_format_is_read_and_a_rank_is_a_score(tmp_path: Path) -> None:
    scored = rows(("1", "x", 2.5), ("1", "y", 1.0))
    scored.write_csv(tmp_path / "a.csv")
    scored.write_csv(tmp_path / "a.tsv", separator="\t")
    scored.write_ndjson(tmp_path / "a.jsonl")
    scored.with_columns(rank=pl.Series([7, 8])).write_parquet(tmp_path / "a.parquet")
    for name in ("a.csv", "a.tsv", "a.jsonl", "a.parquet"):
        assert read_predictions(tmp_path / name).equals(scored), name
    (tmp_path / "ranked.csv").write_text("rank,item_id,user_id\n2,y,1\n1,x,1\n")
    assert read_predictions(tmp_path / "ranked.csv").rows() == [("1", "y", -2.0), ("1", "x", -1.0)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "user_id,item_id,scores\n1,x,2\n",
            "expected a column `score` or `rank`, found .*; did you mean `scores`?",
        ),
        ("user,item_id,score\n1,x,2\n", "expected a column `user_id`"),
        ("user_id,item_id,score\n1,x,2\n1,y,\n", r"a\.csv:3:score: expected a number, found nothing"),
        ("user_id,item_id,score\n1,x,2\n1,y,high\n", r"a\.csv:3:score: expected a number, found `high`"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(DataError, match=said.replace("?", r"\?")):
        read_predictions(tmp_path / "a.csv")


def test_a_file_that_is_not_there_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "lists.csv").write_text("")
    with pytest.raises(MissingFile, match=r"did you mean `lists\.csv`"):
        read_predictions(tmp_path / "list.csv")
