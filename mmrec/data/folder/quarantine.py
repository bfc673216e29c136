"""Write rows that cannot be used to separate files, with their positions, together with all problems in a machine-readable form."""

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
    """Write `<table>.jsonl`, with one line per row that was left out, and `problems.json`.

    A line is `{"place": "items.csv:17", "row": {column: value}}`, or has `"line"` with its text if it could not be parsed as a row.
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


def report_or_quarantine(
    tables: Mapping[str, ReadTable], problems: Problems, on_error: str, quarantine: str | None, content_hash: str
) -> None:
    """Handle the problems according to `on_error`: raise them, or write the rejected rows below the folder `quarantine`.

    Raises:
        DataProblems: there are problems, and `on_error` is `stop`.
        ConfigError: rows are to be written, but no folder is given.
    """
    if on_error == "stop":
        problems.raise_any()
    elif len(problems):
        if quarantine is None:
            raise ConfigError("data.quarantine: expected a folder for the rows that data.on_error=quarantine sets aside")
        write_quarantine(user_path(quarantine) / content_hash[:16], tables, problems)
