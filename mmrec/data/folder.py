"""A dataset as a folder that a person can make in an hour; everything wrong with it is said at once.

    interactions.csv   user_id, item_id[, timestamp][, rating][, event]
    items.csv          item_id, any columns[, image: a path relative to the folder]      (optional, as all that follow)
    triples.csv        head, relation, tail
    item_entities.csv  item_id, entity          (left out: items are entities under their own id)
    users.csv          user_id, any columns

Each may be .csv, .tsv, .txt, .jsonl or .parquet, each of them .gz or .zst as well, or a folder of that name with such files.
`mmrec.yaml` in the folder (see `mmrec.data.settings`) says which files and columns have other names.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

import polars as pl

from mmrec.data.files import files_of, missing_file
from mmrec.data.formats import open_table
from mmrec.data.picture_names import find_pictures, is_pattern
from mmrec.data.problems import Problems
from mmrec.data.quarantine import write_quarantine
from mmrec.data.read import Column, ReadTable, read_table
from mmrec.data.settings import Columns, Settings, read_settings
from mmrec.data.storage import sha256_file, sha256_text
from mmrec.errors import ConfigError, DataError, MissingFile, nearest
from mmrec.types import ENTITY, HEAD, ITEM_ID, RATING, RELATION, TAIL, TIMESTAMP, USER_ID, Dataset

EVENT, IMAGE_COLUMN = "event", "image"
TABLES = {
    "interactions": (
        Column(USER_ID, "id"),
        Column(ITEM_ID, "id"),
        Column(TIMESTAMP, "seconds", optional=True),
        Column(RATING, "number", optional=True),
        Column(EVENT, "text", optional=True),
    ),
    "items": (Column(ITEM_ID, "id"),),
    "triples": (Column(HEAD, "id"), Column(RELATION, "id"), Column(TAIL, "id")),
    "item_entities": (Column(ITEM_ID, "id"), Column(ENTITY, "id")),
    "users": (Column(USER_ID, "id"),),
}
ON_ERROR = ("stop", "quarantine")
_KEYS = {"items": ITEM_ID, "item_entities": ITEM_ID, "users": USER_ID}
"""The column that may hold a value only once."""


def read_folder(
    path: str,
    columns: Columns,
    text_columns: list[str] | None,
    image_column: str | None,
    on_error: str = "stop",
    quarantine: str | None = None,
    tables: dict[str, str | None] | None = None,
) -> Dataset:
    """The dataset in the folder `path`.

    Args:
        path: the folder; `~` is understood.
        columns: our name of a column to the name that the files give it, where they differ, e.g. `{"item_id": "sku"}`; names of one table
            alone are below its name, e.g. `{"users": {"user_id": "number"}}`.
        text_columns: the columns of the items that make up their text, title first. None: all that hold text, title-like ones first.
        image_column: the column of the items that holds image paths, or where files called by a column lie, e.g. `pictures/{item_id}.*`.
            None: `image` if there is one.
        on_error: `stop` raises for rows that cannot be used; `quarantine` writes them out and goes on with the others.
        quarantine: the folder for rows that are left out, one below it for each content.
        tables: our name of a table to its file, glob or folder inside `path`, where it is called otherwise.

    What is not given may be said in the folder's own `mmrec.yaml`.

    Raises:
        MissingFile: no such folder, or no interactions in it.
        DataProblems: rows cannot be used, and `on_error` is `stop`: a value is not of its kind, an id stands twice where it must be unique,
            or a table names an item that nothing else knows.
        DataError: a file cannot be read at all, or lacks a column.
        ConfigError: an argument or a setting names what does not exist, or nothing that can be done on errors.
    """
    if on_error not in ON_ERROR:
        raise ConfigError(f"data.on_error: expected {' or '.join(ON_ERROR)}, found `{on_error}`")
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise missing_file(folder)
    given = {"tables": tables, "columns": columns, "text_columns": text_columns, "image_column": image_column}
    known = {stem: [column.name for column in expected] for stem, expected in TABLES.items()}
    settings = read_settings(folder, known, given)
    paths = {stem: found for stem in TABLES if (found := settings.find(folder, stem)) is not None}
    if "interactions" not in paths:
        raise MissingFile(f"{missing_file(folder / 'interactions.csv')}; `mmrec data init {folder}` looks which of your files it could be")
    problems = Problems()
    found = {stem: _read_stem(file, stem, settings.names(stem), problems) for stem, file in paths.items()}
    settings.check_columns({stem: table.file.columns for stem, table in found.items()})
    if "item_entities" in found:
        found["item_entities"] = _known_items_only(found, problems)
    content_hash = hash_files([*paths.values(), *([settings.path] if settings.path else [])])
    if on_error == "stop":
        problems.raise_any()
    elif len(problems):
        write_quarantine(Path(quarantine).expanduser() / content_hash[:16], found, problems)
    return _assemble(folder, found, settings, content_hash)


def complete_items(items: pl.DataFrame, interactions: pl.DataFrame) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """The items, and after them, with nulls, those that only the interactions name; and a note that counts them."""
    known = interactions.select(pl.col(ITEM_ID).unique(maintain_order=True))
    missing = known.join(items, on=ITEM_ID, how="anti", maintain_order="left")
    if missing.is_empty() or items.width == 1:
        return pl.concat([items, missing], how="diagonal"), ()
    note = f"{len(missing):,} of {len(items) + len(missing):,} items occur in the interactions only: nothing else is known of them"
    return pl.concat([items, missing], how="diagonal"), (note,)


def check_alignment(items: pl.DataFrame, triples: pl.DataFrame, item_entities: pl.DataFrame | None, path: Path) -> tuple[str, ...]:
    """Notes on how many items the triples, read from `path`, know nothing of. Raises DataError where that is all items."""
    links = item_entities if item_entities is not None else items.select(ITEM_ID, pl.col(ITEM_ID).alias(ENTITY))
    entities = pl.concat([triples[HEAD], triples[TAIL]]).unique()
    linked = links[ENTITY].is_in(entities.implode())
    if not linked.any():
        raise _unconnected(path, links[ENTITY][0], entities, by_own_id=item_entities is None)
    notes = []
    if outside := len(items) - len(links):
        notes.append(f"{outside:,} of {len(items):,} items have no entity")
    if unlinked := int((~linked).sum()):
        notes.append(f"the entities of {unlinked:,} of {len(items):,} items occur in no triple")
    return tuple(notes)


def hash_files(paths: Iterable[Path]) -> str:
    """sha256 hex over the names and bytes of files, in the order of their names."""
    files = [file for path in sorted(paths, key=lambda path: path.name) for file in files_of(path)]
    parts = [part for path in files for part in (path.name, sha256_file(path))]
    return sha256_text(*parts)


def _read_stem(path: Path, stem: str, columns: dict[str, str], problems: Problems) -> ReadTable:
    table = read_table(open_table(path), TABLES[stem], problems, columns, others=stem in ("items", "users"))
    if not table.n_read and stem not in ("items", "users"):
        raise DataError(f"{path}: expected at least one row below the header, found none; remove the file if there is nothing to tell")
    return _once_each(table, _KEYS[stem], problems) if stem in _KEYS else table


def _once_each(table: ReadTable, key: str, problems: Problems) -> ReadTable:
    """The table without rows whose key was there before."""
    keys = table.frame[key]
    again = ~keys.is_first_distinct()
    if not again.any():
        return table
    first = dict(zip(keys.filter(~again), table.rows.filter(~again), strict=True))

    def reason(value: object) -> str:
        return f"expected each {key} once, `{value}` is already at {table.file.place(first[value])}"

    return table.without(again, problems, key, "repeated-id", reason)


def _known_items_only(tables: Mapping[str, ReadTable], problems: Problems) -> ReadTable:
    """The links of items that the items or the interactions name."""
    known = pl.concat([table.frame[ITEM_ID] for stem, table in tables.items() if stem in ("items", "interactions")]).unique()

    def reason(value: object) -> str:
        return f"expected an item that the items or the interactions name, found `{value}`; {nearest(str(value), known)}"

    table = tables["item_entities"]
    return table.without(~table.frame[ITEM_ID].is_in(known.implode()), problems, ITEM_ID, "unknown-item", reason)


def _assemble(folder: Path, tables: Mapping[str, ReadTable], settings: Settings, content_hash: str) -> Dataset:
    frames = {stem: table.frame for stem, table in tables.items()}
    given = frames.get("items", pl.DataFrame(schema={ITEM_ID: pl.String}))
    image = _choose_image(given, settings)
    texts = _choose_texts(given, settings, image)
    as_text = [name for name in (*texts, image) if name in given.columns]
    items, notes = complete_items(given.with_columns(pl.col(as_text).cast(pl.String)), frames["interactions"])
    if is_pattern(settings.image_column):
        items = items.with_columns(find_pictures(folder, settings.image_column, items, settings.places["image_column"]).alias(image))
    if "triples" in frames:
        notes += check_alignment(items, frames["triples"], frames.get("item_entities"), tables["triples"].file.path)
    return Dataset(
        name=folder.resolve().name,
        root=folder,
        interactions=frames["interactions"],
        items=items,
        text_columns=texts,
        image_column=image,
        triples=frames.get("triples"),
        item_entities=frames.get("item_entities"),
        users=frames.get("users"),
        content_hash=content_hash,
        notes=settings.notes + tuple(note for table in tables.values() for note in (*table.notes, *_left_out(table))) + notes,
    )


def _left_out(table: ReadTable) -> tuple[str, ...]:
    """What became of the rows of a table, where not all of them are kept."""
    n_out = table.n_read - len(table.frame)
    return (f"{table.file.path.name}: {table.n_read:,} rows in = {len(table.frame):,} kept + {n_out:,} quarantined",) if n_out else ()


def _unconnected(path: Path, entity: str, entities: pl.Series, by_own_id: bool) -> DataError:
    reason = "without an item_entities table items are entities under their own id" if by_own_id else "as item_entities gives them"
    return DataError(
        f"{path}: expected entities of items as heads or tails ({reason}), found none, not `{entity}`; {nearest(entity, entities)}"
    )


def _choose_image(items: pl.DataFrame, settings: Settings) -> str | None:
    if settings.image_column is None:
        return IMAGE_COLUMN if items.schema.get(IMAGE_COLUMN) == pl.String else None
    if is_pattern(settings.image_column):
        return IMAGE_COLUMN
    _check_item_column(items, settings.image_column, settings.places["image_column"])
    return settings.image_column


def _choose_texts(items: pl.DataFrame, settings: Settings, image: str | None) -> tuple[str, ...]:
    if settings.text_columns is not None:
        for name in settings.text_columns:
            _check_item_column(items, name, settings.places["text_columns"])
        return tuple(settings.text_columns)
    texts = [name for name, dtype in items.schema.items() if dtype == pl.String and name not in (ITEM_ID, image)]
    return tuple(sorted(texts, key=_title_likeness))


def _title_likeness(name: str) -> int:
    """0 for a column that is surely a title, 2 for one that is surely not."""
    lower = name.lower()
    return 0 if lower in ("title", "name") else 1 if "title" in lower or "name" in lower else 2


def _check_item_column(items: pl.DataFrame, name: str, key: str) -> None:
    if name not in items.columns:
        raise ConfigError(f"{key}: the items have no column `{name}`; {nearest(name, items.columns)}")
    if items.schema[name].is_nested():
        raise ConfigError(f"{key}: expected a column of text, `{name}` holds {items.schema[name]}")
