"""The command `mmrec data check`: report all problems of a dataset, as text and as JSON."""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from mmrec.api.console import console_output
from mmrec.config.build import build
from mmrec.config.check import check
from mmrec.data.discover.check import check_dataset
from mmrec.data.tables.problems import REMEDIES, Problems
from mmrec.errors import DataError
from mmrec.files.storage import write_json
from mmrec.schemas import CheckCommandConfig
from mmrec.terminal import say

STDOUT = "-"


@console_output()
def check_command(cfg: DictConfig) -> dict[str, Any]:
    """Read the configured dataset, print its problems and notes, and return what is written to `json`.

    Pictures that cannot be read are reported, but are not an error.

    Raises:
        MissingFile: the dataset does not exist.
        DataError: the dataset has problems; raised after all of them are printed.
    """
    check(cfg, CheckCommandConfig)
    problems, dataset, pictures = check_dataset(partial(build, cfg, "data"), _name(cfg), "on_error" in cfg.data, cfg.pictures)
    notes = (*map(str, dataset.counts), *dataset.notes) if dataset else ()
    found = {"sound": not len(problems), **problems.as_json(), "notes": list(notes), "pictures": pictures.as_json()}
    to_stderr = cfg.json == STDOUT
    say(*_lines(problems, notes, pictures), stderr=to_stderr)
    if cfg.json == STDOUT:
        say(*json.dumps(found, indent=2).split("\n"), stderr=False)  # ASCII, so that control characters are escaped
    elif cfg.json is not None:
        write_json(Path(cfg.json), found)
        say(f"written: {cfg.json}", stderr=False)
    if dataset is None or len(problems):
        raise DataError(f"{_name(cfg)}: {len(problems):,} {'problem' if len(problems) == 1 else 'problems'}; training would stop here")
    say(
        f"{dataset.name}: no problems; {len(dataset.interactions):,} interactions, {dataset.interactions['user_id'].n_unique():,} users, "
        f"{len(dataset.items):,} items",
        stderr=to_stderr,
    )
    return found


def _name(cfg: DictConfig) -> str:
    return str(cfg.data.get("path") or cfg.data["_target_"].rsplit(".", 1)[1])


def _lines(problems: Problems, notes: Sequence[str], pictures: Problems) -> list[str]:
    """The lines to print: individual problems, their counts with remedies, and notes."""
    lines = [str(one) for one in (*problems.shown, *pictures.shown)]
    for found in (problems, pictures):
        for (code, where), count in found.counts.items():
            lines.append(f"{count:>7,} {code} in {where}" + (f": {REMEDIES[code]}" if code in REMEDIES else ""))
    hidden = len(problems) + len(pictures) - len(problems.shown) - len(pictures.shown)
    if hidden:
        lines.append(f"{hidden:,} more are counted above, but not shown; data.on_error=quarantine writes all rows to files")
    return [*lines, *(f"note: {note}" for note in notes)]
