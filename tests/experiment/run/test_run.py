"""mmrec.experiment.run.run on a run folder made by hand: ranks, candidates, histories, neighbours, scores, and what it refuses."""

import json
from pathlib import Path

import polars as pl
import pytest
import torch
from safetensors.torch import save_file

import mmrec
from mmrec.errors import ConfigError, DataError
from mmrec.experiment.run.run import Run

USERS = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]])
ITEMS = torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0], [3.0, 3.0]])


@pytest.fixture
def run(tmp_path: Path) -> Run:
    (tmp_path / "split").mkdir()
    (tmp_path / "run.json").write_text(json.dumps({"model": "ours"}))
    measured = {"models": {"ours": {"test/ndcg@10": 0.5, "val/ndcg@10": 0.4}, "<b>": {"test/ndcg@10": 0.25}}}
    (tmp_path / "metrics.json").write_text(json.dumps(measured | {"confidence": {"ours": {"test/ndcg@10": [0.4, 0.6]}}}))
    (tmp_path / "report.html").write_text('<script>alert("x")</script>')
    save_file({"users": USERS, "items": ITEMS}, tmp_path / "vectors.safetensors")
    pl.DataFrame({"user_id": ["1", "2", "3"]}).write_parquet(tmp_path / "users.parquet")
    pl.DataFrame({"item_id": ["w", "x", "y", "z"], "title": ["W", "X", "Y", "Z"]}).write_parquet(tmp_path / "items.parquet")
    for part, row in {"train": ("1", "z"), "valid": ("1", "x"), "test": ("2", "z")}.items():
        pl.DataFrame([row], schema=["user_id", "item_id"], orient="row").write_parquet(tmp_path / "split" / f"{part}.parquet")
    return mmrec.open_run(tmp_path)


def test_the_best_of_what_was_not_seen_user_by_user(run: Run) -> None:
    assert run.recommend(["2", 1], k=2).rows() == [("2", 1, "y", 1.0), ("2", 2, "w", 0.0), ("1", 1, "w", 1.0), ("1", 2, "y", 0.0)]
    assert run.recommend("1", k=1, exclude_seen=False).rows() == [("1", 1, "z", 3.0)]
    assert run.recommend(k=1)["user_id"].to_list() == ["1", "2", "3"]


def test_only_candidates_are_recommended(run: Run) -> None:
    assert run.recommend(["3"], candidates=["w", "y"]).rows() == [("3", 1, "w", 0.5), ("3", 2, "y", 0.5)]


def test_scores_of_all_pairs(run: Run) -> None:
    assert run.score(["3", "1"], ["z", "w"]).rows() == [("3", "z", 3.0), ("3", "w", 0.5), ("1", "z", 3.0), ("1", "w", 1.0)]


def test_neighbours_are_liked_by_the_same_users(run: Run) -> None:
    """w and x point the same way; y the other way, for no user likes both; all users like z the same, which says nothing."""
    found = run.similar(["w"], k=3)
    assert found.columns == ["item_id", "rank", "neighbour_id", "score"]
    assert found["neighbour_id"].to_list() == ["x", "y"]
    assert found["score"].to_list() == pytest.approx([1.0, -1.0])


def test_metrics_have_an_interval_where_there_is_one(run: Run) -> None:
    assert run.metrics.columns == ["model", "metric", "mean", "low", "high"]
    assert run.metrics.row(0) == ("ours", "test/ndcg@10", 0.5, 0.4, 0.6) and run.metrics.row(1)[3:] == (None, None)


def test_a_notebook_sees_table_and_report_and_nothing_of_either_runs_in_it(run: Run) -> None:
    shown = run._repr_html_()
    assert "0.5000" in shown and "&lt;b&gt;" in shown and "<script" not in shown and 'sandbox="allow-scripts allow-downloads"' in shown
    assert "allow-same-origin" not in shown


def test_what_the_run_does_not_know_is_named_with_the_nearest(run: Run) -> None:
    with pytest.raises(DataError, match=r"user: `11`.* is not in the run"):
        run.recommend(["11"])
    with pytest.raises(DataError, match="candidates: `zz` is not in the run; did you mean `z`"):
        run.recommend(["1"], candidates=["zz"])
    with pytest.raises(ConfigError, match="k: expected at least 1, found 0"):
        run.recommend(["1"], k=0)
    with pytest.raises(ConfigError, match="a list of items for each user"):
        run.recommend(histories=["w", "x"])
    with pytest.raises(ConfigError, match="a name for each of 1 histories, found 2"):
        run.recommend(["a", "b"], histories=[["w"]])
