"""Read a dataset from RecBole's atomic files: tab-separated text without quoting, with columns headed `name:type`.

    name.inter   user_id, item_id[, rating][, timestamp]     or in parts: name.train.inter, name.valid.inter, name.test.inter
    name.item    item_id, any columns                        (optional, like all below)
    name.user    user_id, any columns
    name.kg      head_id, relation_id, tail_id
    name.link    item_id, entity_id

The type `token` or `token_seq` is text, `float` a number and `float_seq` a list of numbers; sequences are separated by spaces.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import polars as pl

from mmrec.data.folder.expected_tables import JOINED, TABLES
from mmrec.data.folder.quarantine import report_or_quarantine
from mmrec.data.folder.read import (
    assemble,
    check_choices,
    find_folder,
    hash_files,
    read_stem,
    reading_notes,
    row_counts,
)
from mmrec.data.folder.settings import check_text_columns
from mmrec.data.tables.columns import Column, Kind, ReadTable
from mmrec.data.tables.delimited.encoding import TextEncoding, check_encoding
from mmrec.data.tables.formats import open_table
from mmrec.data.tables.problems import Problems
from mmrec.errors import DataError
from mmrec.files.limits import DEFAULTS, Limits
from mmrec.files.locate import missing_file
from mmrec.types import ENTITY, HEAD, ITEM_ID, PARTS, RELATION, SPLIT, TAIL, Dataset

_STEMS = {"inter": "interactions", "item": "items", "user": "users", "kg": "triples", "link": "item_entities"}
_THEIRS = {HEAD: "head_id", RELATION: "relation_id", TAIL: "tail_id", ENTITY: "entity_id"}
_KINDS: dict[str, Kind] = {"token": "text", "token_seq": "text", "float": "number", "float_seq": "text"}


def read_recbole(
    path: str,
    name: str | None = None,
    columns: dict[str, str | None] | None = None,
    text_columns: list[str] | None = None,
    on_error: str = "stop",
    quarantine: str | None = None,
    limits: Limits = DEFAULTS,
    encoding: str | None = None,
) -> Dataset:
    """Read the dataset `name` in the folder `path`.

    Args:
        path: the folder; `~` is expanded.
        name: the name of the files without their suffixes. None: that of the folder.
        columns: our column names to theirs without the type, where they differ from RecBole's usual ones, e.g. `{"item_id": "product_id"}`.
        text_columns: the item columns that form the text, title first. None: all token columns, titles first.
        on_error, quarantine, limits: as in `mmrec.data.folder.read.read_folder`.
        encoding: the encoding of files that are not UTF-8. None: detected.

    Raises:
        MissingFile: the folder does not exist or has no interactions.
        DataProblems: rows cannot be used, and `on_error` is `stop`.
        DataError: a file cannot be read, lacks a column, or has a column that is not headed by name and type.
        ConfigError: an argument names a column that does not exist, or `on_error` is unknown.
    """
    check_choices(columns or {}, on_error)
    theirs = _THEIRS | {ours: name for ours, name in (columns or {}).items() if name is not None}
    check_text_columns(text_columns, (ITEM_ID, theirs.get(ITEM_ID, ITEM_ID)), "data.text_columns")
    folder = find_folder(path)
    name = name or folder.resolve().name
    paths = _find_files(folder, name)
    problems, texts = Problems(), TextEncoding(paths.values(), encoding and check_encoding(encoding, "data.encoding"))
    tables = {suffix: _read(file, _STEMS[suffix.split(".")[-1]], theirs, problems, limits, texts) for suffix, file in paths.items()}
    texts.check_ids({suffix: table.frame for suffix, table in tables.items()}, JOINED)
    content_hash = hash_files(paths.values())
    report_or_quarantine(tables, problems, on_error, quarantine, content_hash)
    frames = {_STEMS[suffix]: table.frame for suffix, table in tables.items() if suffix in _STEMS}
    if "interactions" not in frames:
        frames["interactions"] = _join_parts({part: tables[suffix] for part in PARTS if (suffix := f"{part}.inter") in tables})
    notes = reading_notes(tables) + (_leave_unknown_links(frames, paths["link"]) if "link" in paths else ())
    dataset = assemble(folder, frames, text_columns, triples_path=paths.get("kg"))
    counts = row_counts((_STEMS.get(suffix, "interactions"), table) for suffix, table in tables.items())
    return replace(dataset, name=name, content_hash=content_hash, counts=counts, notes=notes + dataset.notes)


def _find_files(folder: Path, name: str) -> dict[str, Path]:
    """The files by suffix: the interactions, whole or in parts, and all others that exist."""
    suffixes = (*(f"{part}.inter" for part in PARTS), *_STEMS)
    found = {suffix: file for suffix in suffixes if (file := folder / f"{name}.{suffix}").is_file()}
    parts = [suffix for suffix in found if suffix.endswith(".inter")]
    if "inter" not in found and not parts:
        raise missing_file(folder / f"{name}.inter")
    if "inter" in found and parts:
        raise DataError(f"{folder}: expected the interactions whole or in parts, found {name}.inter and {name}.{parts[0]}; remove one")
    return found


def _read(path: Path, stem: str, theirs: Mapping[str, str], problems: Problems, limits: Limits, encoding: TextEncoding) -> ReadTable:
    """Read one of `mmrec.data.folder.expected_tables.TABLES`; of items and users, also all other columns, by the types in their headers."""
    file = open_table(path, "\t", None, limits, encoding)
    heads, types = {}, {}
    for head in file.columns:
        name, _, kind = head.rpartition(":")
        if kind not in _KINDS or not name or name in heads:
            raise DataError(f"{path}:1: expected columns headed `name:type`, each name once, the type {', '.join(_KINDS)}, found `{head}`")
        heads[name], types[name] = head, kind
    called = {column.name: theirs.get(column.name, column.name) for column in TABLES[stem]}
    rest = [name for name in heads if name not in called and name not in called.values()] if stem in ("items", "users") else []
    names = {ours: heads.get(name, name) for ours, name in called.items()} | {name: heads[name] for name in rest}
    table = read_stem(file, stem, problems, names, [Column(name, _KINDS[types[name]]) for name in rest])
    for name in rest:
        if types[name] == "float_seq":
            table = _with_numbers(table, name, problems)
    return table


def _with_numbers(table: ReadTable, name: str, problems: Problems) -> ReadTable:
    """Parse a text column as lists of numbers."""
    numbers = pl.col(name).str.extract_all(r"\S+").cast(pl.List(pl.Float64), strict=False)
    is_bad = table.frame.select(numbers.list.eval(~pl.element().is_finite().fill_null(False)).list.any().fill_null(False)).to_series()
    sound = table.without(is_bad, problems, name, "no-number", lambda value: f"expected numbers with spaces between them, found `{value}`")
    return sound._replace(frame=sound.frame.with_columns(numbers))


def _join_parts(parts: Mapping[str, ReadTable]) -> pl.DataFrame:
    """Concatenate the parts of the interactions, with a column for the part."""
    first, *others = parts.values()
    for table in others:
        if table.frame.columns != first.frame.columns:
            odd = sorted(set(table.frame.columns) ^ set(first.frame.columns))[0]
            raise DataError(f"{table.file.path}: expected the columns of {first.file.path.name}; they differ in `{odd}`")
    return pl.concat(table.frame.with_columns(pl.lit(part).alias(SPLIT)) for part, table in parts.items())


def _leave_unknown_links(frames: dict[str, pl.DataFrame], path: Path) -> tuple[str, ...]:
    """Drop links of items that occur in no other file, which published datasets contain, and count them in a note."""
    links = frames["item_entities"]
    known = pl.concat([frames[stem][ITEM_ID] for stem in ("items", "interactions") if stem in frames]).unique()
    kept = links.filter(pl.col(ITEM_ID).is_in(known.implode()))
    if kept.is_empty():
        raise DataError(f"{path}: expected items that the interactions or the items name, found none")
    frames["item_entities"] = kept
    n_out = len(links) - len(kept)
    return (f"{path.name}: {n_out:,} of {len(links):,} rows are of items that occur in no other table",) if n_out else ()
