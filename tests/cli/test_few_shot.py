"""`mmrec train few_shot=…`: users with few interactions, the same ones for every model, and what few_shot cannot be combined with."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from omegaconf import DictConfig

import mmrec
from mmrec.cli.train import train
from mmrec.config.selection import check_selection
from mmrec.errors import ConfigError
from mmrec.files.storage import read_json

SMALL = ["split=cold_user", "split.test_ratio=0.3", "trainer.max_epochs=1", "evidence.image=false", "evaluation.report=true"]


def test_users_with_few_interactions(compose: Callable[..., DictConfig], shop_overrides: list[str], tmp_path: Path) -> None:
    cfg = compose(*shop_overrides, *SMALL, "few_shot=maml", "baselines=few_shot", f"run_dir={tmp_path / 'run'}")
    cfg.baselines = {name: cfg.baselines[name] for name in ("popularity", "item_knn")}
    run = train(cfg)
    parts = {name: pl.read_parquet(run / f"split/{name}.parquet") for name in ("train", "test")}
    given = parts["train"].join(parts["test"].select("user_id").unique(), on="user_id")
    assert given["user_id"].value_counts()["count"].to_list() == [3] * 18
    metrics = read_json(run / "metrics.json")
    assert set(metrics["models"]) == {"fusion", "popularity", "item_knn"}
    opened, user = mmrec.open_run(run), given["user_id"][0]
    lists = opened.recommend([user], k=5)
    items = given.filter(user_id=user)["item_id"].to_list()
    assert lists["score"].is_finite().all() and not set(lists["item_id"]) & set(items)
    assert "the first 3 interactions of 24 held-out users are in train" in read_json(run / "run.json")["split"]["notes"]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["model=ease"], "few_shot: EASE does not adapt users, only model=fusion does"),
        (["time=decay"], "few_shot: the items of adapted users have no weights by age"),
        (["evidence.user_text=true"], "few_shot: adapted users have no texts"),
        (["few_shot.start=zero"], "few_shot: start: expected history or learned, found zero"),
    ],
)
def test_what_does_not_go_together_is_refused(overrides: list[str], message: str, compose: Callable[..., DictConfig]) -> None:
    with pytest.raises(ConfigError, match=message):
        check_selection(compose("few_shot=maml", "split=cold_user", *overrides))


@pytest.mark.parametrize(
    ("overrides", "n_given"),
    [
        (["few_shot=none"], None),
        (["few_shot=maml"], 3),
        (["few_shot=ridge", "split.n_given=1"], 1),
        (["few_shot=maml", "split.n_given=0"], 0),
    ],
)
def test_three_interactions_are_given_unless_it_is_said(
    overrides: list[str], n_given: int | None, compose: Callable[..., DictConfig]
) -> None:
    cfg = compose("split=cold_user", *overrides)
    check_selection(cfg)
    assert cfg.split.n_given == n_given
