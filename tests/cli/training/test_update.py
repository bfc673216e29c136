"""`mmrec update` on the small shop: a new week with new users, items and triples becomes a run like any other."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from omegaconf import DictConfig
from PIL import Image

import mmrec
from mmrec.cli.evaluate import evaluate
from mmrec.cli.recommend import recommend
from mmrec.cli.train import train
from mmrec.cli.training.update import update
from mmrec.errors import ConfigError, DamagedCheckpoint, DataError
from mmrec.files.checkpoint import read_checkpoint
from mmrec.tasks.checkpoints import best_checkpoint

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


def files_of(folder: Path) -> dict[str, bytes]:
    """The content of all files, but for measured times."""
    found = {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
    about = json.loads(found["run.json"])
    found["run.json"] = json.dumps({key: value for key, value in about.items() if key not in ("times", "fit_s", "git")}).encode()
    return {name: content for name, content in found.items() if Path(name).name not in ("report.html", "seconds.json")}


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


def test_rows_keep_their_weights_and_new_ones_are_finite(parent: Path, child: Path, compose: Compose, cache: str) -> None:
    """If the update is not kept, the tables have the old values at the places of their names."""
    told = read(child)["update"]["validation"]["1"]
    assert told["after"] is not None and told["metric"] == "val/ndcg@20"
    old, new = (read_checkpoint(best_checkpoint(run / "checkpoints" / "seed_1")) for run in (parent, child))
    names = [pl.read_parquet(run / "items.parquet")["item_id"].to_list() for run in (parent, child)]
    if read(child)["update"]["kept"]["1"]:
        assert not torch.equal(old["state_dict"]["model.content_bias.weight"], new["state_dict"]["model.content_bias.weight"])
        return
    bias = [one["state_dict"]["model.bias"] for one in (old, new)]
    assert all(bias[1][names[1].index(name)] == bias[0][row] for row, name in enumerate(names[0]))


@pytest.mark.slow
@pytest.mark.parametrize("method", ["distill", "ewc", "finetune"])
def test_every_method_updates(method: str, compose: Compose, parent: Path, week: Path, cache: str, tmp_path: Path) -> None:
    words = [f"run={parent}", f"data.path={week}", f"out={tmp_path / 'b'}", cache, f"update={method}", "max_epochs=1"]
    folder = update(compose(*words, name="update"))
    curves = pl.read_parquet(folder / "curves.parquet")["metric"].unique()
    assert {"distill": "train/distillation", "ewc": "train/elastic_weights", "finetune": "train/loss"}[method] in curves


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.slow
def test_an_update_that_was_killed_gives_the_same_bytes_when_it_is_run_again(
    compose: Compose, parent: Path, week: Path, cache: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cfg = compose(f"run={parent}", f"data.path={week}", f"out={tmp_path / 'b'}", cache, "max_epochs=2", name="update")
    before, replace = files_of(parent), os.replace
    whole = files_of(update(cfg))
    for n_writes in (3, 12, 20):
        shutil.rmtree(tmp_path / "b")
        moments = iter([*[False] * n_writes, True])

        def until_killed(*paths: Path, moments: Iterator[bool] = moments) -> None:
            if next(moments):
                raise Killed
            replace(*paths)

        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", until_killed)
            with pytest.raises(Killed):
                update(cfg)
        assert list(tmp_path.iterdir()) == []
        assert files_of(update(cfg)) == whole
    assert files_of(parent) == before


@pytest.mark.thorough
def test_five_kills(compose: Compose, parent: Path, week: Path, cache: str, tmp_path: Path) -> None:
    """Processes of their own are killed at random moments; what they leave is removed by the next one."""
    words = [f"run={parent}", f"data.path={week}", f"out={tmp_path / 'b'}", cache, "max_epochs=2"]
    command = [sys.executable, "-m", "mmrec.cli.main", "update", *words]
    began = time.monotonic()
    subprocess.run(command, check=True, capture_output=True)
    took, whole = time.monotonic() - began, files_of(tmp_path / "b")
    for moment in np.random.default_rng(0).uniform(0.2, 1.0, 5):
        shutil.rmtree(tmp_path / "b")
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(took * moment)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if not (tmp_path / "b").exists():
            subprocess.run(command, check=True, capture_output=True)
        assert files_of(tmp_path / "b") == whole
        assert [path.name for path in tmp_path.iterdir()] == ["b"]


def sizes(run: Path) -> dict[str, int]:
    """The bytes of everything that does not depend on the number of interactions."""
    parts = ("checkpoints", "vectors.safetensors", "users.parquet", "items.parquet", "attention.parquet")
    found = {part: sum(path.stat().st_size for path in [run / part, *(run / part).rglob("*")] if path.is_file()) for part in parts}
    del found["users.parquet"], found["items.parquet"], found["attention.parquet"]  # compression
    found["files"] = sum(1 for path in run.rglob("*") if path.is_file() and "checkpoints" not in path.parts)
    found["config.yaml"] = len((run / "config.yaml").read_text().replace(str(run), ""))
    found["keys"] = len(json.dumps(list(read(run)["update"])))
    return found


def updated_often(n: int, compose: Compose, parent: Path, cache: str, folder: Path) -> list[dict[str, int]]:
    """The sizes of consecutive runs, with a week of known users and items each."""
    run, found = parent, []
    for at in range(n):
        rows = [(f"u{user}", f"i{(7 * user + 3 * at) % 40}", NEXT + 1_000_000 * at + user) for user in range(20)]
        (folder / "weeks" / str(at)).mkdir(parents=True)
        schema = ["user_id", "item_id", "timestamp"]
        pl.DataFrame(rows, schema=schema, orient="row").write_csv(folder / "weeks" / str(at) / "interactions.csv")
        words = [f"run={run}", f"data.path={folder / 'weeks' / str(at)}", f"out={folder / f'r{at:03d}'}", cache]
        run = update(compose(*words, "max_epochs=1", "valid_ratio=0.3", "test_ratio=0.3", name="update"))
        found.append(sizes(run))
    return found


@pytest.mark.slow
def test_updates_grow_nothing_but_the_data(compose: Compose, parent: Path, cache: str, tmp_path: Path) -> None:
    first, *_, last = updated_often(3, compose, parent, cache, tmp_path)
    _check_same_sizes(first, last)


@pytest.mark.thorough
def test_many_updates_grow_nothing_but_the_data(compose: Compose, parent: Path, cache: str, tmp_path: Path) -> None:
    first, *_, last = updated_often(20, compose, parent, cache, tmp_path)
    _check_same_sizes(first, last)


def _check_same_sizes(first: dict[str, int], last: dict[str, int]) -> None:
    """Checkpoints may be one or three, by which epoch is kept."""
    assert last["checkpoints"] <= 3.2 * first["checkpoints"]
    assert {name: size for name, size in last.items() if name != "checkpoints"} == {
        name: size for name, size in first.items() if name != "checkpoints"
    }


def test_what_is_refused_leaves_the_run_as_it_is_and_no_folder(
    compose: Compose, parent: Path, week: Path, cache: str, tmp_path: Path
) -> None:
    before, out = files_of(parent), tmp_path / "b"

    def refused(*words: str, error: type[Exception] = DataError, run: Path = parent, data: Path = week) -> str:
        with pytest.raises(error) as caught:
            update(compose(f"run={run}", f"data.path={data}", f"out={out}", cache, *words, name="update"))
        assert list(tmp_path.glob(".b*")) == []
        return str(caught.value)

    out.mkdir()
    assert f"out: {out} exists already" in refused(error=ConfigError)
    out.rmdir()
    older = tmp_path / "older"
    shutil.copytree(week, older)
    rows = pl.read_csv(older / "interactions.csv")
    rows.with_columns(timestamp=pl.lit(1_600_000_000)).write_csv(older / "interactions.csv")
    assert "with allow_older=true" in refused(data=older)
    rows.with_columns(rating=pl.lit(5.0)).write_csv(older / "interactions.csv")
    assert "no column `rating`" in refused(data=older)
    damaged = tmp_path / "damaged"
    shutil.copytree(parent, damaged)
    weights = best_checkpoint(damaged / "checkpoints" / "seed_1") / "tensors.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert "tensors.safetensors: expected sha256" in refused(error=DamagedCheckpoint, run=damaged)
    pl.read_parquet(damaged / "split" / "train.parquet")[1:].write_parquet(damaged / "split" / "train.parquet")
    assert "train.parquet: expected" in refused(run=damaged)
    assert not out.exists() and files_of(parent) == before


def test_an_update_is_not_resumed(child: Path, compose: Compose) -> None:
    with pytest.raises(ConfigError, match="is an update of another run"):
        train(compose(f"resume={child}"), [])
