"""`mmrec chat` and `Run.session` on a real small run: lines from a pipe change the list, and mistakes get an answer."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest
from omegaconf import DictConfig

import mmrec
from mmrec.cli.chat import chat
from mmrec.errors import ConfigError, DataError, MmrecError
from mmrec.experiment.run.run import Run
from mmrec.steering.session import Session

Compose = Callable[..., DictConfig]


@pytest.fixture(scope="module")
def run(cold_run: Path) -> Run:
    return mmrec.open_run(cold_run)


def talk(monkeypatch: pytest.MonkeyPatch, cfg: DictConfig, *lines: str) -> Session:
    given = io.BytesIO("".join(f"{line}\n" for line in lines).encode())
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=given, isatty=lambda: False))
    return chat(cfg)


def test_lines_from_a_pipe_change_the_list_and_leave_events(
    compose: Compose, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cfg = compose(f"run={run.folder}", "user=u3", "k=4", f"out={tmp_path / 'events.jsonl'}", name="chat")
    session = talk(monkeypatch, cfg, "like 1", "only lamps", "only chairs", "nonsense", "why 9", "undo", "dislike 2", "quit", "like 1")
    out = capsys.readouterr().out
    assert "only genre chair; newest critique wins over only genre lamp" in out
    assert "“nonsense” was not understood. You can say: like 1, dislike 2, less of genre " in out
    assert "why: expected a number from 1 to 4, found `9`" in out and "undone: only chairs" in out
    assert [turn.kind for turn in session.turns] == ["like", "critique", "dislike"]
    assert all(title.startswith("lamp") for title in session.recommend(4)["title"])
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [(one["user_id"], one["event"], one["item_id"]) for one in events] == [
        ("u3", turn.kind, turn.item_id) for turn in session.turns if turn.item_id
    ]
    data = tmp_path / "data"
    data.mkdir()
    (data / "interactions.jsonl").write_text((tmp_path / "events.jsonl").read_text())
    read = mmrec.read_folder(str(data)).interactions
    assert read["item_id"].to_list() == [one["item_id"] for one in events]
    assert read["label"].to_list() == [int(one["event"] != "dislike") for one in events]


def test_a_session_of_nobody_learns_from_likes(run: Run) -> None:
    kinds = dict(run.items.select("item_id", pl.col("title").str.split(" ").list.first()).iter_rows())
    known, share = run.train.item_degree, {}
    for kind in ("chair", "lamp"):
        liked = [item for place, item in enumerate(run.items["item_id"]) if kinds[item] == kind and known[place]][:3]
        session = run.session()
        before = session.recommend(6)
        for item in liked:
            session.like(item)
        after = session.recommend(6)["item_id"].to_list()
        assert not set(liked) & set(after) and before["item_id"].to_list() != after
        assert run.session(history=liked).recommend(6)["item_id"].to_list() != before["item_id"].to_list()
        share[kind] = sum(kinds[item] == "chair" for item in after)
    assert share["chair"] > share["lamp"]


def test_what_cannot_be_used_is_one_message(compose: Compose, run: Run, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="user: `u333` is not in the run"):
        run.session("u333")
    with pytest.raises(MmrecError, match="there is no item `i444`"):
        run.session(history=["i444"])
    with pytest.raises(MmrecError, match="expected a user or a history"):
        run.session("u3", history=["i1"])
    with pytest.raises(ConfigError, match=r"language: .*found `fr`"):
        run.session("u3", language="fr")
    with pytest.raises(DataError, match="item: `i444` is not among the items; did you mean"):
        run.session("u3").like("i444")
    with pytest.raises(ConfigError, match=r"out: .*ends in .jsonl, found `x.csv`"):
        chat(compose(f"run={run.folder}", "user=u3", "out=x.csv", name="chat"))
    with pytest.raises(ConfigError, match="out: events need a user"):
        chat(compose(f"run={run.folder}", "out=x.jsonl", name="chat"))
