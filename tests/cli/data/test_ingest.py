"""`mmrec data ingest`: from a folder to one that trains the same, what it prints, and mistakes that are told in one message."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from omegaconf import DictConfig

from mmrec.cli.data.ingest import ingest_command
from mmrec.cli.hydra.shorthand import expand_shorthand
from mmrec.data.folder.read import read_folder
from mmrec.data.interactions.filter import filter_interactions
from mmrec.data.interactions.split import leave_last_out
from mmrec.errors import ConfigError

Run = Callable[..., dict]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "my shop"
    folder.mkdir()
    rows = [f"u{user},i{(user + k) % 7},{100 * k + user},{1 + k}" for user in range(6) for k in range(5)]
    (folder / "interactions.csv").write_text("user_id,item_id,timestamp,rating\n" + "\n".join(rows) + "\n")
    (folder / "items.csv").write_text("item_id,title,image\ni0,A lamp,a.png\ni9,A bed,\n")
    return folder


@pytest.fixture
def run(shop: Path, tmp_path: Path, compose: Callable[..., DictConfig]) -> Run:
    return lambda *words: ingest_command(
        compose(*expand_shorthand("data ingest", [str(shop), str(tmp_path / "ready"), *words]), name="ingest")
    )


def test_what_is_written_and_said(run: Run, shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = run("split=leave_last_out", "filter.min_rating=2")
    dataset = filter_interactions(read_folder(str(shop)), min_rating=2, repeated="first", min_per_user=1, min_per_item=1)
    assert manifest["split"]["hash"] == leave_last_out(dataset.interactions).hash
    assert len(pl.read_parquet(tmp_path / "ready" / "test.parquet")) == 6
    printed = capsys.readouterr().out
    for said in (
        "interactions: 30 rows in = 24 kept + 0 quarantined + 0 deduplicated + 6 filtered",
        "split leave_last_out: 12 train, 6 valid, 6 test",
        f"next: mmrec train data=folder data.path={tmp_path}/ready 'data.pictures={shop}' split=given",
    ):
        assert said in printed
    run("split=leave_last_out", "filter.min_rating=2")
    assert "nothing to do" in capsys.readouterr().out
    with pytest.raises(ConfigError, match="made from other files or with other settings"):
        run("split=leave_last_out")


def test_rows_that_cannot_be_used_are_set_aside(run: Run, shop: Path, tmp_path: Path) -> None:
    with open(shop / "interactions.csv", "a") as file:
        file.write("u1,,5,1\n")
    manifest = run("data.on_error=quarantine", f"data.quarantine={tmp_path / 'aside'}", "split=leave_last_out")
    assert manifest["counts"]["interactions"]["quarantined"] == 1
    (aside,) = (tmp_path / "aside").glob("*/interactions.jsonl")
    assert "interactions.csv:32" in aside.read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["split._target_=mmrec.data.interactions.split.deduplicate"], "split"),
        (["filter.repeated=some"], "filter.repeated: expected first or last, found `some`"),
        (["data.columns.item_id=skuu"], "data.columns.item_id: there is no column `skuu`"),
        (["data.on_error=go"], "data.on_error: expected stop or quarantine"),
        (["data.tables.interactions=gone.csv"], "gone.csv does not exist"),
    ],
)
def test_mistakes(run: Run, tmp_path: Path, words: list[str], said: str) -> None:
    with pytest.raises(Exception, match=said) as raised:
        run(*words)
    assert type(raised.value).__module__ == "mmrec.errors"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["my shop"]


def test_other_data_than_folders(compose: Callable[..., DictConfig], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="data: expected data=folder"):
        ingest_command(compose(*expand_shorthand("data ingest", ["data=demo_shop", f"output={tmp_path / 'ready'}"]), name="ingest"))


def test_the_command_as_a_person_types_it(shop: Path, tmp_path: Path) -> None:
    (shop / "interactions.csv").write_text("user_id,item_id,timestamp\nu1,i1,noon\n")
    command = [sys.executable, "-m", "mmrec.cli.main", "data", "ingest", str(shop), str(tmp_path / "ready")]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 2
    assert found.stderr.startswith(f"mmrec: {shop}/interactions.csv:2:timestamp: expected a time")
    assert "Traceback" not in found.stderr
    assert not (tmp_path / "ready").exists()
