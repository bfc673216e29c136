"""The command `mmrec chat run=… user=…`: a dialogue that steers the list of recommendations, in the terminal or from a pipe."""

import json
import time
import uuid
from pathlib import Path

import polars as pl
from omegaconf import DictConfig
from rich.table import Table

from mmrec.api.console import console_output
from mmrec.api.runs import open_run
from mmrec.config.check import check
from mmrec.config.hydra.from_overrides import places_of
from mmrec.config.verbs.rerank import rerankers
from mmrec.errors import ConfigError, MmrecError, StorageError
from mmrec.experiment.run.run import Run
from mmrec.files.locate import user_path
from mmrec.files.storage import write_text
from mmrec.schemas import ChatConfig
from mmrec.serving.history import DISLIKE
from mmrec.serving.sessions.session_events import session_events
from mmrec.steering.session import Session
from mmrec.terminal import read_lines, say, show

QUIT = ("quit", "exit", "q", "bye", "退出", "再见")
_PICTURE, _WHY = ("picture ", "图片"), ("why ", "为什么")
_GREETING = {
    "en": "Say what you like or dislike, or what the list should be like; `why 1` explains an item, `quit` ends.",
    "zh": "请说出您喜欢或不喜欢什么，或者列表应该是什么样的；“为什么1”解释一个物品，“退出”结束。",
}


@console_output()
def chat(cfg: DictConfig) -> Session:
    """Print a list, read lines until `quit` or the end of the input, and print what was understood and the new list after each.

    Raises:
        DataError: the user is not in the run.
        ConfigError: a value is invalid.
        StorageError: the events cannot be written.
    """
    check(cfg, ChatConfig)
    if cfg.out is not None and user_path(cfg.out).suffix != ".jsonl":
        raise ConfigError(f"out: expected the name of a file that ends in .jsonl, found `{cfg.out}`")
    if cfg.out is not None and cfg.user is None:
        raise ConfigError("out: events need a user; add user=…")
    run, methods = open_run(cfg.run, *places_of(cfg)), rerankers(cfg) or None
    session = run.session(None if cfg.user is None else str(cfg.user), language=cfg.language)
    say(_GREETING[cfg.language], stderr=False)
    shown = session.recommend(cfg.k, methods)
    _show(shown)
    for line in read_lines():
        if line.casefold() in QUIT:
            break
        try:
            if line.casefold().startswith(_WHY):
                _explain(run, cfg, shown, line)
                continue
            _say_to(session, line)
        except MmrecError as error:
            say(str(error), stderr=False)
            continue
        say(session.answer, stderr=False)
        shown = session.recommend(cfg.k, methods)
        _show(shown)
    if cfg.out is not None:
        _write(user_path(cfg.out), session, str(cfg.user), run.folder.name)
    return session


def _say_to(session: Session, line: str) -> None:
    """Give a line to the session; `picture FILE` is a picture that the items should look like."""
    prefix = next((one for one in _PICTURE if line.casefold().startswith(one)), None)
    if prefix is None:
        session.critique(line)
        return
    path = user_path(line[len(prefix) :].strip())
    try:
        content = path.read_bytes()
    except OSError as error:
        raise StorageError(f"picture: {path}: {error.strerror}") from error
    session.critique(picture=content, name=path.name)


def _explain(run: Run, cfg: DictConfig, shown: pl.DataFrame, line: str) -> None:
    """Print why an item of the list is recommended, by the model alone."""
    if cfg.user is None:
        raise ConfigError("why: only recommendations for a user of the run are explained")
    number = next(line.casefold().removeprefix(one).strip(" ?？") for one in _WHY if line.casefold().startswith(one))
    if not number.isdecimal() or not 1 <= int(number) <= len(shown):
        raise ConfigError(f"why: expected a number from 1 to {len(shown)}, found `{number}`")
    for found in run.explain(str(cfg.user), shown["item_id"][int(number) - 1], cfg.k, cfg.language):
        for sentence in found.sentences:
            say(sentence, stderr=False)


def _show(shown: pl.DataFrame) -> None:
    table = Table("rank", "item_id", "title", "score")
    for rank, item_id, title, score in shown.iter_rows():
        table.add_row(str(rank), item_id, title or item_id, f"{score:.3f}")
    show(table)


def _write(path: Path, session: Session, user_id: str, model: str) -> None:
    events = session_events(session, user_id, time.time(), str(uuid.uuid4()), model)
    labelled = [vars(one) | {"label": int(one.event != DISLIKE)} for one in events]
    rows = [{key: value for key, value in one.items() if value is not None} for one in labelled]
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    try:
        write_text(path, lines)
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror}") from error
    say(f"{len(events)} events: {path}")
