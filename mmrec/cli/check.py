"""`mmrec data check`: everything that is wrong with a dataset, in one pass, for people and for programs."""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from omegaconf import DictConfig

from mmrec.cli.process.shown import shown
from mmrec.config import build, check
from mmrec.data.interactions.index import check_catalogue
from mmrec.data.pictures.decode import decode_picture
from mmrec.data.pictures.read import read_pictures
from mmrec.data.pictures.urls import named_by_url
from mmrec.data.tables.problems import REMEDIES, DataProblems, Problem, Problems
from mmrec.errors import DataError
from mmrec.files.storage import write_json
from mmrec.schemas import CheckCommandConfig
from mmrec.terminal import say
from mmrec.types import ITEM_ID, Dataset

STDOUT = "-"


@shown()
def check_command(cfg: DictConfig) -> dict[str, Any]:
    """Reads the data and says what is wrong and what is odd; gives the same as it writes to `json`.

    Raises MissingFile where there is nothing to read, and DataError, at the end, where it cannot be used as it is. Pictures that cannot be
    are told, and no error.
    """
    check(cfg, CheckCommandConfig)
    problems, dataset = _read(cfg)
    pictures = _check_pictures(dataset, cfg.pictures) if dataset else Problems()
    notes = (*map(str, dataset.counts), *dataset.notes) if dataset else ()
    found = {"sound": not len(problems), **problems.as_json(), "notes": list(notes), "pictures": pictures.as_json()}
    to_stderr = cfg.json == STDOUT
    say(*_lines(problems, notes, pictures), stderr=to_stderr)
    if cfg.json == STDOUT:
        say(*json.dumps(found, indent=2).split("\n"), stderr=False)  # in ASCII: whatever a terminal would act on is escaped
    elif cfg.json is not None:
        write_json(Path(cfg.json), found)
        say(f"written: {cfg.json}", stderr=False)
    if dataset is None or len(problems):
        raise DataError(f"{_name(cfg)}: {len(problems):,} {'problem' if len(problems) == 1 else 'problems'}; training would stop here")
    say(
        f"{dataset.name} is sound: {len(dataset.interactions):,} interactions, {dataset.interactions['user_id'].n_unique():,} users, "
        f"{len(dataset.items):,} items",
        stderr=to_stderr,
    )
    return found


def _name(cfg: DictConfig) -> str:
    return str(cfg.data.get("path") or cfg.data["_target_"].rsplit(".", 1)[1])


def _read(cfg: DictConfig) -> tuple[Problems, Dataset | None]:
    """What is wrong, and the dataset: without the rows that are, where the reader can leave them out; None where it cannot be read."""
    problems = Problems()
    try:
        dataset = build(cfg, "data")
        check_catalogue(dataset)
        return problems, dataset
    except DataProblems as error:
        problems = error.problems
    except DataError as error:
        problems.add(_name(cfg), [Problem("unusable", _name(cfg), str(error))])
        return problems, None
    if "on_error" not in cfg.data:
        return problems, None
    with TemporaryDirectory() as aside:  # the rows that can be used tell the rest: what is odd, pictures that are missing
        try:
            return problems, build(cfg, "data", on_error="quarantine", quarantine=aside)
        except DataError as error:
            problems.add(_name(cfg), [Problem("unusable", _name(cfg), str(error))])
            return problems, None


def _check_pictures(dataset: Dataset, decode: bool) -> Problems:
    """The pictures that items name and that are not there or, where asked, that cannot be decoded; those of the web are not asked for."""
    if dataset.image_column is not None:
        local = dataset.items.filter(~named_by_url(dataset.items, dataset.image_column))
        dataset = replace(dataset, items=local)
    ids, problems = dataset.items[ITEM_ID], Problems()
    raw, missing = read_pictures(dataset, ids)
    column = f"items:{dataset.image_column}"

    def place(position: int) -> str:
        return f"item `{ids[position]}`"

    def reason(position: int) -> str:
        try:
            data = raw[position]
            if data is not None:
                decode_picture(data)
        except (OSError, ValueError) as error:
            return " ".join(str(error).split())
        return ""

    if missing:
        problems.add(column, [Problem("missing-picture", place(one.position), one.reason) for one in missing])
    if decode and dataset.image_column is not None:
        with ThreadPoolExecutor() as pool:
            bad = [(position, said) for position, said in enumerate(pool.map(reason, range(len(ids)))) if said]
        if bad:
            problems.add(column, [Problem("unreadable-picture", place(position), said) for position, said in bad])
    return problems


def _lines(problems: Problems, notes: Sequence[str], pictures: Problems) -> list[str]:
    """Problems one by one, then their counts with what to do, then the notes."""
    lines = [str(one) for one in (*problems.shown, *pictures.shown)]
    for found in (problems, pictures):
        for (code, where), count in found.counts.items():
            lines.append(f"{count:>7,} {code} in {where}" + (f": {REMEDIES[code]}" if code in REMEDIES else ""))
    hidden = len(problems) + len(pictures) - len(problems.shown) - len(pictures.shown)
    if hidden:
        lines.append(f"{hidden:,} more are counted above, not shown; data.on_error=quarantine writes all rows to files")
    return [*lines, *(f"note: {note}" for note in notes)]
