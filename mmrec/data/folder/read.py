"""Read a dataset from a folder of tables, and report everything that is wrong with it at once.

    interactions.csv   user_id, item_id[, timestamp][, rating][, event][, label: 0 or 1][, position][, propensity][, split]
    items.csv          item_id, any columns[, image: a path relative to the folder, or a URL]    (optional, like all below)
    triples.csv        head, relation, tail[, datatype: the tail is a literal][, timestamp: when it became known]; or .nt, .ttl, .graphml
    item_entities.csv  item_id, entity          (default: items are entities under their own id)
    users.csv          user_id, any columns
    queries.csv        query, item_id[, user_id][, timestamp][, label: 0 or 1], any columns
    audio.npy, …       vectors of a modality, named in `data.features`: see `mmrec.data.folder.vectors`

Each may be .csv, .tsv, .txt, .jsonl or .parquet, optionally compressed with .gz or .zst, or a folder of that name with such files, whose
subfolders called `column=value` become a column, as Spark writes them. Text is UTF-8, or else detected, see
`mmrec.data.tables.delimited.encoding`. `mmrec.yaml` in the folder (see `mmrec.data.folder.settings`) renames files and columns.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, Unpack, cast

import polars as pl

from mmrec.data.folder.expected_tables import JOINED, KEYS, TABLES, WITH_OTHERS
from mmrec.data.folder.inputs import Input, find_inputs, named_columns
from mmrec.data.folder.item_columns import IMAGE_COLUMN, choose_image, choose_texts
from mmrec.data.folder.quarantine import report_or_quarantine
from mmrec.data.folder.queries import check_queries
from mmrec.data.folder.settings import FILE, Layout, Settings, read_settings
from mmrec.data.folder.vectors import VectorFiles, find_vectors, read_vectors
from mmrec.data.pictures.names import find_pictures, is_pattern
from mmrec.data.tables.columns import Column, ReadTable, read_table
from mmrec.data.tables.delimited.encoding import TextEncoding
from mmrec.data.tables.formats import is_text, open_labelled, open_table
from mmrec.data.tables.graphs import node_links
from mmrec.data.tables.id_checks import near_ids
from mmrec.data.tables.literals import mark_literals, split_literals
from mmrec.data.tables.nested_text import as_text, unused_note
from mmrec.data.tables.problems import Problems
from mmrec.data.tables.raw import TableFile
from mmrec.errors import ConfigError, DataError, MissingFile, nearest
from mmrec.files.compressed import check_holes
from mmrec.files.limits import DEFAULTS, Limits
from mmrec.files.locate import files_of, missing_file, user_path
from mmrec.files.storage import sha256_file, sha256_text
from mmrec.files.store import open_pictures
from mmrec.files.unread_files import name_unread
from mmrec.row_count import RowCount
from mmrec.types import ENTITY, HEAD, ITEM_ID, PARTS, SPLIT, TAIL, USER_ID, Dataset, Hosts, ItemVectors

ON_ERROR = ("stop", "quarantine")


def read_folder(
    path: str,
    *,
    on_error: str = "stop",
    quarantine: str | None = None,
    pictures: str | None = None,
    allow_hosts: list[str] | None = None,
    allow_private: bool = False,
    limits: Limits = DEFAULTS,
    **layout: Unpack[Layout],
) -> Dataset:
    """Read the dataset in the folder `path`.

    Args:
        path: the folder; `~` is expanded.
        on_error: `stop` raises if rows cannot be used; `quarantine` writes them to files and continues with the others.
        quarantine: the folder for rejected rows, with a subfolder per content hash of the data.
        pictures: where the images are, if not in `path`: any store of `mmrec.files.store.open_store`, whose errors are raised as well.
        allow_hosts: hosts from which images named by URL may be downloaded.
        allow_private: whether these hosts may be on this machine or its local network.
        limits: the largest sizes that are accepted.
        layout: file and column names, see `Layout`. Settings that are missing or None are taken from the folder's `mmrec.yaml`, or else
            follow from default names.

    Raises:
        MissingFile: the folder does not exist or has no interactions.
        DataProblems: rows cannot be used and `on_error` is `stop`: a value cannot be parsed, a unique id is repeated, or a table names an
            item that neither the items nor the interactions contain. DataError: a file cannot be read, or lacks a column. ConfigError: a
            setting names something that does not exist, or `on_error` is unknown.
    """
    check_choices({}, on_error)
    opened, problems = open_folder(path, layout, limits), Problems()
    read, vectors = read_tables(opened, problems, {})
    content_hash = opened.content_hash
    report_or_quarantine(read, problems, on_error, quarantine, content_hash)
    dataset = make_dataset(opened, read, vectors, pictures)
    return replace(dataset, hosts=Hosts(tuple(allow_hosts or ()), allow_private), content_hash=content_hash)


class OpenedFolder(NamedTuple):
    """The files of a folder, located but not read."""

    path: Path
    settings: Settings
    tables: dict[str, Path | dict[str, Path]]
    """By table name, in the order of `TABLES`; interactions given in parts have one path per part."""
    vectors: dict[str, VectorFiles]
    encoding: TextEncoding

    @property
    def content_hash(self) -> str:
        """The SHA-256 (hex) of the names and bytes of all files except pictures."""
        return hash_files(dict.fromkeys(self._named()))

    @property
    def files(self) -> list[Path]:
        """All files except pictures, including those of folders and globs."""
        return [file for path in self._named() for file in (path, *files_of(path))]

    def _named(self) -> Iterator[Path]:
        yield from _paths(self.tables.values())
        for one in self.vectors.values():
            yield from (one.values, one.ids)
        if self.settings.path:
            yield self.settings.path


def open_folder(path: str, layout: Layout, limits: Limits = DEFAULTS) -> OpenedFolder:
    """Locate the tables of a folder. Raises as `read_folder` does."""
    folder = find_folder(path)
    settings = read_settings(folder, {stem: [column.name for column in expected] for stem, expected in TABLES.items()}, layout, limits)
    paths = {stem: found for stem in TABLES if (found := settings.find(folder, stem)) is not None}
    if "interactions" not in paths:
        unread = "".join(f"; {note}" for note in name_unread(folder, [folder / FILE]))
        look = f"`mmrec data init {folder}` guesses which of your files it could be"
        raise MissingFile(f"{missing_file(folder / 'interactions.csv')}{unread}; {look}")
    vectors = find_vectors(folder, settings.features)
    texts = [file for path in [*_paths(paths.values()), *(one.ids for one in vectors.values())] for file in files_of(path)]
    opened = OpenedFolder(folder, settings, paths, vectors, TextEncoding(filter(is_text, texts), settings.encoding))
    for file in filter(Path.is_file, opened.files):
        check_holes(file, limits)
    return opened


def open_stem(path: Path | dict[str, Path], has_header: bool, limits: Limits, encoding: TextEncoding) -> TableFile:
    """Open the file or files of a table in `OpenedFolder.tables`."""
    if isinstance(path, dict):
        return open_labelled(path, SPLIT, limits, encoding, has_header)
    return open_table(path, limits=limits, encoding=encoding, has_header=has_header)


def read_tables(
    opened: OpenedFolder, problems: Problems, read: Mapping[str, ReadTable]
) -> tuple[dict[str, ReadTable], dict[str, ItemVectors]]:
    """Read every table of the folder, including the id lists of vectors, and the vectors by modality.

    Tables in `read` are used as they are; of the interactions, only the items are needed.
    """
    settings, files = opened.settings, opened.vectors
    found = {
        stem: open_stem(file, settings.has_header(stem), settings.limits, opened.encoding)
        for stem, file in opened.tables.items()
        if stem not in read
    }
    read = {**read, **{stem: read_stem(file, stem, problems, settings.names(stem)) for stem, file in found.items()}}
    settings.check_columns({stem: table.file.columns for stem, table in read.items()})
    opened.encoding.check_ids({stem: table.frame for stem, table in read.items()}, JOINED)
    if not files and not {"item_entities", "queries"} & read.keys():
        return read, {}
    known = _known_items(read)
    if "queries" in read:
        read["queries"] = check_queries(read["queries"], known, problems)
    if "item_entities" in read:
        read["item_entities"] = read["item_entities"].known_items(known, problems)
    vectors = {}
    for modality, one in files.items():
        read[f"features.{modality}"], vectors[modality] = read_vectors(
            one, known, problems, settings.names("items"), settings.limits, opened.encoding
        )
    return read, vectors


def make_dataset(opened: OpenedFolder, read: Mapping[str, ReadTable], vectors: dict[str, ItemVectors], pictures: str | None) -> Dataset:
    """Assemble the dataset from the tables, with notes and counts. Raises as `assemble` does."""
    settings = opened.settings
    frames = {stem: table.frame for stem, table in read.items() if stem in TABLES}
    if "triples" in read and "item_entities" not in read:
        links = node_links(read["triples"].file, set(_known_items(read)))
        frames |= {"item_entities": links} if links is not None else {}
    triples = cast("Path | None", opened.tables.get("triples"))  # only interactions can be given in parts
    dataset = assemble(
        opened.path, frames, settings.text_columns, settings.image_column, triples, settings.places, pictures, settings.inputs
    )
    notes = settings.notes + reading_notes(read) + dataset.notes + name_unread(opened.path, opened.files)
    return replace(dataset, vectors=vectors, counts=row_counts(read.items()), notes=notes)


def _known_items(read: Mapping[str, ReadTable]) -> pl.Series:
    """The items in the tables of items and interactions."""
    return pl.concat([read[stem].frame[ITEM_ID] for stem in ("items", "interactions") if stem in read]).unique().drop_nulls()


def find_folder(path: str) -> Path:
    """The folder at `path`, with `~` expanded. Raises MissingFile if it does not exist."""
    folder = user_path(path)
    if not folder.is_dir():
        raise missing_file(folder)
    return folder


def check_choices(columns: Mapping[str, str | None], on_error: str) -> None:
    """Raise ConfigError for an unknown column name in `columns`, or an unknown `on_error`."""
    ours = {column.name for table in TABLES.values() for column in table}
    for name in columns:
        if name not in ours:
            raise ConfigError(f"data.columns.{name}: expected a column that mmrec knows; {nearest(name, ours)}")
    if on_error not in ON_ERROR:
        raise ConfigError(f"data.on_error: expected {' or '.join(ON_ERROR)}, found `{on_error}`")


def read_stem(
    file: TableFile, stem: str, problems: Problems, names: Mapping[str, str], others: Sequence[Column] | None = None
) -> ReadTable:
    """Read one of `TABLES` with the `others` as further columns (None: all, for items, users and queries), and check its rows individually.

    Raises DataError if a column is missing, or if the table must not be empty and is.
    """
    table = read_table(file, (*TABLES[stem], *(others or ())), problems, names, others is None and stem in WITH_OTHERS)
    if not table.n_read and stem not in ("items", "users"):
        raise no_rows(file)
    if SPLIT in table.frame.columns:
        table = known_parts_only(table, problems)
    return table.once_each(KEYS[stem], problems) if stem in KEYS else table


def no_rows(file: TableFile) -> DataError:
    """The error for a table without rows that must have some."""
    return DataError(f"{file.path}: expected at least one row below the header, found none; or remove the file")


def assemble(
    folder: Path,
    frames: Mapping[str, pl.DataFrame],
    text_columns: list[str] | None,
    image_column: str | None = None,
    triples_path: Path | None = None,
    places: Mapping[str, str] = MappingProxyType({}),
    pictures: str | None = None,
    inputs: Mapping[str, Input] = MappingProxyType({}),
) -> Dataset:
    """Assemble the dataset from tables named as in `TABLES`, with notes on items that some tables do not contain.

    Raises:
        ConfigError: a column does not exist (`places` tells which setting names it), or `pictures` is given but no column names them.
        DataError: the triples, read from `triples_path`, contain none of the items.
    """
    given = frames.get("items", pl.DataFrame(schema={ITEM_ID: pl.String}))
    image = choose_image(given, image_column, places.get("image_column", "data.image_column"))
    texts = choose_texts(given, text_columns, image, places.get("text_columns", "data.text_columns"), named_columns(inputs))
    unused = unused_note(given, image) if text_columns is None else ()
    given = given.with_columns(
        as_text(pl.col(name), given.schema[name]).alias(name)
        for name in dict.fromkeys((*texts, image, *named_columns(inputs)))
        if name in given.columns
    )
    items, notes = complete_items(given, frames["interactions"])
    notes += unused
    store = open_pictures(folder, pictures)
    if pictures is not None and image is None:
        raise ConfigError("data.pictures: no pictures are assigned to items; set data.image_column=photo, or '{item_id}.*' where ids do")
    if is_pattern(image_column):
        items = items.with_columns(
            find_pictures(store, image_column, items, places.get("image_column", "data.image_column")).alias(IMAGE_COLUMN)
        )
    items, further = find_inputs(inputs, items, store, places)
    if (triples := frames.get("triples")) is not None:
        triples, found = mark_literals(triples, frames["item_entities"][ENTITY] if "item_entities" in frames else items[ITEM_ID])
        # `triples_path` is given whenever there are triples.
        notes += found + check_alignment(items, triples, frames.get("item_entities"), cast("Path", triples_path))
    return Dataset(
        name=folder.resolve().name,
        root=folder,
        interactions=frames["interactions"],
        items=items,
        text_columns=texts,
        image_column=image,
        triples=triples,
        item_entities=frames.get("item_entities"),
        users=frames.get("users"),
        queries=frames.get("queries"),
        notes=(*near_ids(frames["interactions"][USER_ID]), *near_ids(items[ITEM_ID]), *notes),
        pictures=pictures,
        further_inputs=further,
    )


def reading_notes(tables: Mapping[str, ReadTable]) -> tuple[str, ...]:
    """The notes of all tables."""
    return tuple(note for table in tables.values() for note in table.notes)


def row_counts(tables: Iterable[tuple[str, ReadTable]]) -> tuple[RowCount, ...]:
    """The counts of read and rejected rows by table name, added up over tables of the same name."""
    n_in: Counter[str] = Counter()
    n_out: Counter[str] = Counter()
    for name, table in tables:
        n_in[name] += table.n_read
        n_out[name] += table.n_read - len(table.frame)
    return tuple(RowCount(name, n_in[name], n_out[name]) for name in n_in)


def complete_items(items: pl.DataFrame, interactions: pl.DataFrame) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Append the items that occur only in the interactions, sorted and with nulls, and a note with their number."""
    missing = interactions.select(pl.col(ITEM_ID).unique()).drop_nulls().join(items, on=ITEM_ID, how="anti").sort(ITEM_ID)
    if missing.is_empty() or items.width == 1:
        return pl.concat([items, missing], how="diagonal"), ()
    note = f"{len(missing):,} of {len(items) + len(missing):,} items only occur in the interactions and have no further information"
    return pl.concat([items, missing], how="diagonal"), (note,)


def check_alignment(items: pl.DataFrame, triples: pl.DataFrame, item_entities: pl.DataFrame | None, path: Path) -> tuple[str, ...]:
    """Notes on the number of items that the triples, read from `path`, do not contain. Raises DataError if they contain none."""
    links = item_entities if item_entities is not None else items.select(ITEM_ID, pl.col(ITEM_ID).alias(ENTITY))
    entities = pl.concat([triples[HEAD], split_literals(triples)[0][TAIL]]).unique()
    linked = links[ENTITY].is_in(entities.implode())
    if links.is_empty():
        raise DataError(f"{path}: expected entities of items as heads or tails, but no item has an entity; remove it, or give them some")
    if not linked.any():
        raise _unconnected(path, links[ENTITY][0], entities, by_own_id=item_entities is None)
    notes = []
    if outside := len(items) - len(links):
        notes.append(f"{outside:,} of {len(items):,} items have no entity")
    if unlinked := int((~linked).sum()):
        notes.append(f"the entities of {unlinked:,} of {len(items):,} items occur in no triple")
    return tuple(notes)


def hash_files(paths: Iterable[Path]) -> str:
    """The SHA-256 (hex) of the names and bytes of files, in the order of their names."""
    parts = []
    for path in sorted(paths, key=lambda path: path.name):
        for file in files_of(path):  # the names of partition folders are data as well
            parts += [file.relative_to(path).as_posix() if path.is_dir() else file.name, sha256_file(file)]
    return sha256_text(*parts)


def _paths(tables: Iterable[Path | dict[str, Path]]) -> list[Path]:
    return [file for found in tables for file in (found.values() if isinstance(found, dict) else [found])]


def known_parts_only(table: ReadTable, problems: Problems) -> ReadTable:
    """Drop the rows whose part is unknown, and report them as problems; a missing part is accepted here."""

    def reason(value: object) -> str:
        return f"expected {', '.join(PARTS[:-1])} or {PARTS[-1]}, found `{value}`"

    return table.without(~table.frame[SPLIT].is_in(PARTS).fill_null(True), problems, SPLIT, "no-part", reason)


def _unconnected(path: Path, entity: str, entities: pl.Series, by_own_id: bool) -> DataError:
    reason = "without a table item_entities, items are entities with the same id" if by_own_id else "as item_entities gives them"
    return DataError(
        f"{path}: expected entities of items as heads or tails ({reason}), found none, not `{entity}`; {nearest(entity, entities)}"
    )
