"""`mmrec recommend` on a run folder made by hand: what is left of the catalogue, and that nothing is left."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import torch
from omegaconf import DictConfig
from safetensors.torch import save_file

from mmrec.cli.recommend import recommend

Compose = Callable[..., DictConfig]


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """User a had all three items, user b one of them."""
    (tmp_path / "split").mkdir()
    for name in ("metrics.json", "run.json"):
        (tmp_path / name).write_text("{}")
    vectors = {"users": torch.tensor([[1.0], [-1.0]]), "items": torch.tensor([[0.5], [0.25], [1.0]])}
    save_file(vectors, tmp_path / "vectors.safetensors")
    pl.DataFrame({"user_id": ["a", "b"]}).write_parquet(tmp_path / "users.parquet")
    pl.DataFrame({"item_id": ["x", "y", "z"], "title": ["X", "Y", "Z"]}).write_parquet(tmp_path / "items.parquet")
    for part, rows in {"train": [("a", "x"), ("b", "x")], "valid": [("a", "y")], "test": [("a", "z")]}.items():
        pl.DataFrame(rows, schema=["user_id", "item_id"], orient="row").write_parquet(tmp_path / "split" / f"{part}.parquet")
    return tmp_path


def test_what_the_user_has_not_had_best_first(run_dir: Path, compose: Compose) -> None:
    best = recommend(compose(f"run={run_dir}", "user=b", name="recommend"))
    assert best.rows() == [(1, "y", "Y", -0.25), (2, "z", "Z", -1.0)]


def test_a_user_who_has_had_every_item_is_told_so(run_dir: Path, compose: Compose, capsys: pytest.CaptureFixture[str]) -> None:
    best = recommend(compose(f"run={run_dir}", "user=a", name="recommend"))
    out, err = capsys.readouterr()
    assert best.is_empty() and best.columns == ["rank", "item_id", "title", "score"] and out == ""
    assert err == "user a has interacted with every item of the run in training, validation or test; nothing to recommend\n"
