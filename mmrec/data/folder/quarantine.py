"""Rows that cannot be used, set aside: each as it stands in its file, with its place; and everything that is wrong, for programs."""

import json
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from mmrec.data.tables.columns import ReadTable
from mmrec.data.tables.problems import Problems
from mmrec.errors import ConfigError
from mmrec.files.locate import user_path
from mmrec.files.storage import write_json, write_text


def write_quarantine(folder: Path, tables: Mapping[str, ReadTable], problems: Problems) -> None:
    """Writes `<table>.jsonl`, a line a row that was left out of it, and `problems.json`.

    A line is `{"place": "items.csv:17", "row": {column: value}}`, or `"line"` with its text where that is no row at all.
    """
    for stem, table in tables.items():
        if len(table.bad) or table.file.broken:
            lines = (json.dumps(line, ensure_ascii=False, default=str) for line in _lines(table))
            write_text(folder / f"{stem}.jsonl", "".join(f"{line}\n" for line in lines))
    write_json(folder / "problems.json", problems.as_json())


def _lines(table: ReadTable) -> list[dict[str, object]]:
    broken: list[dict[str, object]] = [{"place": place, "line": text} for place, text in table.file.broken_texts()]
    if table.bad.is_empty():
        return broken
    raw = table.raw.with_row_index("__row__").filter(pl.col("__row__").is_in(table.bad.implode())).drop("__row__").collect()
    places = table.file.places(table.bad.to_list())
    rows: list[dict[str, object]] = [{"place": place, "row": row} for place, row in zip(places, raw.to_dicts(), strict=True)]
    return rows + broken


def settle(tables: Mapping[str, ReadTable], problems: Problems, on_error: str, quarantine: str | None, content_hash: str) -> None:
    """Does what is to be done with problems: raises them all, or writes the rows that are left out below `quarantine`.

    Raises ConfigError where rows are to be set aside, and no folder is named for them.
    """
    if on_error == "stop":
        problems.raise_any()
    elif len(problems):
        if quarantine is None:
            raise ConfigError("data.quarantine: expected a folder for the rows that data.on_error=quarantine sets aside")
        write_quarantine(user_path(quarantine) / content_hash[:16], tables, problems)
