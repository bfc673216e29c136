"""`mmrec update` on the small shop: a new week with new users, items and triples becomes a run like any other."""

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from omegaconf import DictConfig
from PIL import Image

import mmrec
from mmrec.cli.evaluate import evaluate
from mmrec.cli.recommend import recommend
from mmrec.cli.train import train
from mmrec.cli.training.update import update

Compose = Callable[..., DictConfig]
NEXT = 1_600_000_000 + 400 * 86_400


def write_week(folder: Path) -> Path:
    """Twenty old and five new users, two new items, one of them with a picture, and what the graph says of one."""
    folder.mkdir()
    rows = [(f"u{user}", f"i{20 * (user // 30) + place}", NEXT + 600 * user + place) for user in range(0, 60, 3) for place in (1, 5, 9)]
    rows += [(f"v{user}", f"i{item}", NEXT + 13_000 + 600 * user + item) for user in range(5) for item in (2, 3, 7, 40)]
    rows += [(f"u{user}", "i41", NEXT + 20_000 + user) for user in range(30, 40)]
    pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row").write_csv(folder / "interactions.csv")
    items = [("i40", "lamp no 40", "warm light 1", "lamp", "new.jpg"), ("i41", "chair no 41", "soft seat 2", "chair", None)]
    pl.DataFrame(items, schema=["item_id", "title", "description", "genre", "image"], orient="row").write_csv(folder / "items.csv")
    Image.new("RGB", (24, 24), (250, 220, 60)).save(folder / "new.jpg")
    triples = [("e40", "of_kind", "kind0"), ("e40", "sold_with", "e1"), ("e2", "sold_with", "e3")]
    pl.DataFrame(triples, schema=["head", "relation", "tail"], orient="row").write_csv(folder / "triples.csv")
    pl.DataFrame({"item_id": ["i40"], "entity": ["e40"]}).write_csv(folder / "item_entities.csv")
    return folder


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_week(tmp_path_factory.mktemp("new") / "week")


@pytest.fixture(scope="module")
def parent(compose: Compose, shop_overrides: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "a"
    return train(compose(*shop_overrides, f"run_dir={folder}", "baselines=none", "split=global_time", "seed=1"))


@pytest.fixture(scope="module")
def cache(shop_overrides: list[str]) -> str:
    return shop_overrides[-1]


@pytest.fixture(scope="module")
def child(compose: Compose, parent: Path, week: Path, cache: str) -> Path:
    return update(compose(f"run={parent}", f"data.path={week}", f"out={parent.parent / 'b'}", cache, name="update"))


def read(run: Path, name: str = "run.json") -> dict:
    return json.loads((run / name).read_text(encoding="utf-8"))


def test_the_updated_run_is_a_run_like_any_other(child: Path, compose: Compose, cache: str) -> None:
    assert evaluate(compose(f"run={child}", cache, name="evaluate"))
    assert "i40" in pl.read_parquet(child / "items.parquet")["item_id"]
    best = recommend(compose(f"run={child}", "user=v0", "k=5", cache, name="recommend"))
    assert len(best) == 5


def test_run_json_names_the_parent_and_what_grew(child: Path, parent: Path) -> None:
    told = read(child)["update"]
    assert told["parent"]["run"] == str(parent) and told["parent"]["weights_sha256"] == read(parent)["weights_sha256"]
    assert told["grew"] == {"interactions": 90, "users": 5, "items": 2, "triples": 3}
    assert told["method"]["name"] == "Replay"


def test_python_returns_the_updated_run(parent: Path, week: Path, child: Path, cache: str, tmp_path: Path) -> None:
    run = mmrec.open_run(parent, cache)
    updated = run.update(week, out=tmp_path / "b", paths={"cache": cache.partition("=")[2]})
    assert updated.recommend(["v0"], k=5).equals(mmrec.open_run(child).recommend(["v0"], k=5))
