"""`mmrec data export-events` and `mmrec key`: what a service leaves behind can be trained on, and keys are made."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from omegaconf import DictConfig

from mmrec.cli.data.check import check_command
from mmrec.cli.data.export_events import export_events
from mmrec.cli.serving.key import key
from mmrec.data.folder.read import read_folder
from mmrec.errors import ConfigError, MissingFile
from mmrec.serving import Event, open_store
from mmrec.serving.security import ApiKeys

Compose = Callable[..., DictConfig]
KEY = b"0123456789abcdef"


def fill(url: str, user_key: bytes | None = None) -> None:
    store = open_store(url, user_key)
    for n in range(40):
        user, item = f"u{n % 8}", f"i{n % 5}"
        store.append([Event(f"s{n}", user, item, 1e9 + n, "impression", n % 3 + 1, 0.25, "run-1")])
        if n % 2:
            store.append([Event(f"c{n}", user, item, 1e9 + n + 0.5)])
    store.append([Event("late", "u0", "i9", 2e9)])
    store.close()


def test_the_next_training_reads_what_is_exported(compose: Compose, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "shop").mkdir()
    url, out = f"sqlite:///{tmp_path / 'events.db'}", tmp_path / "shop" / "interactions.parquet"
    fill(url)
    export_events(compose(f"store={url}", f"out={out}", name="export_events"))
    assert "61 events, 41 interactions of 8 users" in capsys.readouterr().out
    check_command(compose("data=folder", f"data.path={tmp_path / 'shop'}", name="check"))
    read = read_folder(str(tmp_path / "shop")).interactions
    assert read.sort("timestamp")["position"].to_list() == [n % 3 + 1 for n in range(40)] + [None]
    assert read["label"].sum() == 21 and read["propensity"].drop_nulls().unique().to_list() == [0.25]
    assert read.schema["timestamp"] == pl.Int64


def test_a_store_with_hashed_users_is_exported_with_its_key(compose: Compose, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'events.db'}"
    fill(url, KEY)
    (tmp_path / "key").write_bytes(KEY + b"\n")
    words = [f"store={url}", f"out={tmp_path / 'x.parquet'}"]
    with pytest.raises(ConfigError, match="expected the key they were stored with, found none"):
        export_events(compose(*words, name="export_events"))
    found = export_events(compose(*words, f"user_key_file={tmp_path / 'key'}", name="export_events"))
    assert found["user_id"].n_unique() == 8 and found["user_id"].str.len_chars().unique().to_list() == [64]


def test_what_cannot_be_exported_is_said_and_nothing_is_made(compose: Compose, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'events.db'}"
    with pytest.raises(MissingFile, match="expected a store of events, found none"):
        export_events(compose(f"store={url}", f"out={tmp_path / 'x.parquet'}", name="export_events"))
    with pytest.raises(ConfigError, match=r"^out: expected the name of a file that ends in \.parquet"):
        export_events(compose(f"store={url}", "out=x.csv", name="export_events"))
    assert not list(tmp_path.iterdir())


def test_a_key_is_made_and_shown_once(compose: Compose, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "keys.jsonl"
    made = key(compose(f"file={path}", "name=shop", "scopes=[read,write]", name="key"))
    assert capsys.readouterr().out == f"{made}\n"
    assert ApiKeys(path).find(made).scopes == {"read", "write"}
    with pytest.raises(ConfigError, match="found `wirte`"):
        key(compose(f"file={path}", "name=other", "scopes=[wirte]", name="key"))
