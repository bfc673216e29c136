"""Record the configuration changes of resumed runs in `changes.json` next to config.yaml."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from mmrec.errors import DataError
from mmrec.experiment.run_folder.files import checkpoint_folder
from mmrec.files.checkpoint import STATE, newest_sound
from mmrec.files.storage import read_json, write_json
from mmrec.tasks.checkpoints import checkpoints_in

CHANGES = "changes.json"


class Change(NamedTuple):
    """The change of one key of the configuration; None if the key did not exist."""

    before: Any
    after: Any


class Progress(NamedTuple):
    """The progress of the training with one seed."""

    epoch: int
    """The number of completed epochs."""
    step: int
    """The number of optimizer steps."""
    epochs_without_better: int


def record_changes(run_dir: Path, seeds: Iterable[int], changes: Mapping[str, Change]) -> None:
    """Append changes to `changes.json`, with the epoch and step of each seed from which on they apply."""
    if not changes:
        return
    path = run_dir / CHANGES
    before = read_json(path) if path.is_file() else []
    if not isinstance(before, list):
        raise DataError(f"{path}: expected a list of changes, found {type(before).__name__}")
    progress = {str(seed): read_progress(run_dir, seed) for seed in seeds}
    since = {seed: {"epoch": at.epoch, "step": at.step} for seed, at in progress.items()}
    entry = {
        "time": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "since": since,
        "keys": {key: one._asdict() for key, one in changes.items()},
    }
    write_json(path, [*before, entry])


def describe_changes(changes: Mapping[str, Change]) -> str:
    """Describe all changes on one line."""
    return ", ".join(f"{key} {change.before} -> {change.after}" for key, change in changes.items())


def read_progress(run_dir: Path, seed: int) -> Progress:
    """The progress at the newest valid checkpoint, from which a resumed training starts; zero if there is none."""
    newest, _ = newest_sound(checkpoints_in(checkpoint_folder(run_dir, seed)))
    if newest is None:
        return Progress(0, 0, 0)
    try:
        state = json.loads((newest / STATE).read_text(encoding="utf-8"))
        waited = [callback["wait_count"] for callback in state["callbacks"].values() if "wait_count" in callback]
        return Progress(int(state["position"]["epoch"]), int(state["position"]["n_optimizer_steps"]), max(map(int, waited), default=0))
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise DataError(f"{newest / STATE}: invalid: {type(error).__name__}: {error}") from error
