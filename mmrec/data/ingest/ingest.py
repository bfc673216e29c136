"""Convert a folder of any size to a checked, filtered and split one, with bounded memory.

    ingest.json            what was done: counts, filter, split, notes, and the hash that identifies input and settings
    mmrec.yaml             which file is what, as `mmrec.data.folder.settings` reads it
    {train,valid,test}.parquet     the interactions of each part, sorted by user_id, then item_id
    items, triples, item_entities, users.parquet, <modality>.safetensors with <modality>_ids.parquet

`read_folder` with `split=given` returns the same rows from the result as from the original files, filtered and split in memory. Memory is
bounded by 2**18 interactions, or 1/256 of them if that is more, or those of the most active user; by the distinct ids; by the other tables;
and by the rows that cannot be used. Splits that draw from all rows take 8 bytes per row.
"""

import json
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import polars as pl

from mmrec.data.folder.expected_tables import TABLES
from mmrec.data.folder.quarantine import report_or_quarantine
from mmrec.data.folder.read import OpenedFolder, known_parts_only, make_dataset, no_rows, open_stem, read_tables
from mmrec.data.ingest.dictionary import DictionaryEncoder, TextOrder
from mmrec.data.ingest.output import PartWriters, write_evidence, write_settings
from mmrec.data.ingest.spill import Sample, Spill
from mmrec.data.ingest.stream import Stream
from mmrec.data.interactions.filter import INTERACTIONS, Filter, Tally, keep_items
from mmrec.data.interactions.k_core import core_items, in_core, pairs_of
from mmrec.data.interactions.split import distinct_rows
from mmrec.data.interactions.split_rules import Rule, SplitTally, check_parts, split_rows
from mmrec.data.pictures.names import is_pattern, list_pictures
from mmrec.data.tables.columns import ReadTable
from mmrec.data.tables.id_checks import are_plain
from mmrec.data.tables.id_codes import Distinct
from mmrec.data.tables.problems import Problems
from mmrec.errors import ConfigError
from mmrec.files.locate import is_inside
from mmrec.files.progress import progress
from mmrec.files.storage import sha256_text, write_folder, write_json
from mmrec.files.store import open_pictures
from mmrec.row_count import RowCount
from mmrec.types import FILE_ROW, ITEM_ID, PARTS, SPLIT, USER_ID, Dataset

MANIFEST = "ingest.json"
_VERSION = 1
"""The version of the output; output of another version counts as made from other input."""


@dataclass(frozen=True)
class Ingest:
    """The settings of an ingestion.

    Args:
        opened: the folder, from `mmrec.data.folder.read.open_folder`.
        filter, rule: the filter and the split.
        on_error, quarantine, pictures: as in `mmrec.data.folder.read.read_folder`.
    """

    opened: OpenedFolder
    filter: Filter
    rule: Rule
    on_error: str
    quarantine: str | None
    pictures: str | None

    def into(self, out: Path) -> tuple[dict[str, Any], bool]:
        """Write the folder `out` atomically.

        Returns:
            The manifest, and whether the folder had to be written.

        Raises:
            ConfigError: `out` exists with other content, or lies in the folder of a table.
            DataProblems, DataError: as in `read_folder`, `filter_interactions` and the splits; or a part has no rows.
        """
        content_hash = self.opened.content_hash
        key = self._key(content_hash)
        made = _made_before(out, key, self.opened)
        if made is not None:
            return made, False
        return write_folder(out, lambda folder: self._write(folder, content_hash, key)), True

    def _key(self, content_hash: str) -> str:
        """The SHA-256 of everything that determines the output."""
        settings = self.opened.settings
        renamings = [(one.column, one.name, one.tables) for one in settings.renamings]
        said: list[object] = [settings.tables, renamings, settings.text_columns, settings.image_column, settings.features]
        said += [settings.header, settings.encoding, *([settings.inputs] if settings.inputs else [])]
        for pattern in (settings.image_column, *(one.get("image_column") for one in settings.inputs.values())):
            if is_pattern(pattern):
                said.append(sorted(list_pictures(open_pictures(self.opened.path, self.pictures), pattern)))
        said += [asdict(self.filter), self.rule.name, asdict(self.rule), self.on_error, self.pictures, _VERSION]
        return sha256_text(content_hash, json.dumps(said, sort_keys=True))

    def _write(self, folder: Path, content_hash: str, key: str) -> dict[str, Any]:
        scratch = folder / "scratch"
        scratch.mkdir()
        rows, items, dataset = self._read(scratch, content_hash)
        tally = Tally()
        order = TextOrder(items)

        def apply_filter(table: pl.DataFrame) -> pl.DataFrame:
            return self.filter.apply(table.with_columns(order.ranks(table[ITEM_ID])), tally)

        rows.rewrite(apply_filter, "filtering")
        if self.filter.has_core:
            dataset = self._keep_core(rows, order, scratch, dataset, tally)
        notes = dataset.notes + tally.notes(self.filter, self.opened.path.resolve().name)
        counts = {count.table: tally.count(count) if count.table == INTERACTIONS else count for count in dataset.counts}
        split = self._split(rows, order, folder)
        shutil.rmtree(scratch)
        write_settings(folder, dataset)
        write_evidence(folder, dataset)
        manifest = {
            "key": key,
            "input": {"name": dataset.name, "hash": content_hash},
            "counts": {name: count.as_dict() for name, count in counts.items()},
            "filter": asdict(self.filter),
            "split": split,
            "n_items": len(dataset.items),
            "image_column": dataset.image_column,
            "notes": list(notes),
        }
        write_json(folder / MANIFEST, manifest)
        return manifest

    def _read(self, scratch: Path, content_hash: str) -> tuple[Spill, pl.Series, Dataset]:
        """Read the folder: the usable interactions on disk with items as codes; the item ids by code; and the remaining dataset.

        The `interactions` of that dataset contain only the distinct ids.
        """
        problems, settings = Problems(), self.opened.settings
        tables = self.opened.tables[INTERACTIONS]
        file = open_stem(tables, settings.has_header(INTERACTIONS), settings.limits, self.opened.encoding)
        stream = Stream(file, TABLES[INTERACTIONS], problems, settings.names(INTERACTIONS))
        rows = _Rows(scratch / "rows", self.filter, self.rule)
        stream.through(rows.begin, rows.put)
        items = rows.close()
        table = stream.finish()
        n_read = stream.n_rows + len(file.broken)
        if not n_read:
            raise no_rows(file)
        table = rows.without_odd(table, problems)._replace(frame=rows.ids(items))
        read, vectors = read_tables(self.opened, problems, {INTERACTIONS: table})
        report_or_quarantine(read, problems, self.on_error, self.quarantine, content_hash)
        dataset = make_dataset(self.opened, read, vectors, self.pictures)
        count = RowCount(INTERACTIONS, n_read, len(table.bad) + len(file.broken))
        counts = tuple(count if one.table == INTERACTIONS else one for one in dataset.counts)
        return rows.spill, items, replace(dataset, counts=counts)

    def _keep_core(self, rows: Spill, order: TextOrder, scratch: Path, dataset: Dataset, tally: Tally) -> Dataset:
        """Restrict `rows` to the k-core, and the dataset to its items."""
        known, paths = _distinct(rows, ITEM_ID), []
        for number, table in enumerate(rows(USER_ID, ITEM_ID)):
            paths.append(scratch / f"{number:03}.npy")
            np.save(paths[-1], pairs_of(table, known), allow_pickle=False)
        least = self.filter.min_per_user, self.filter.min_per_item
        is_core = core_items(lambda: (np.load(path, allow_pickle=False) for path in paths), len(known), *least)

        def change(table: pl.DataFrame) -> pl.DataFrame:
            core = in_core(table, known, is_core, self.filter.min_per_user)
            tally.leave_out(table, core)
            return core

        rows.rewrite(change, "filtering")
        if self.filter.min_per_item == 1:
            return dataset
        return keep_items(dataset, order.texts(known.filter(pl.Series(is_core))), tally)

    def _split(self, rows: Spill, order: TextOrder, folder: Path) -> dict[str, Any]:
        """Write the three parts and return the split's entry in the manifest."""

        def named(table: pl.DataFrame) -> pl.DataFrame:
            return table.with_columns(order.texts(table[ITEM_ID]))

        self.rule.check_rows(lambda *columns: map(named, rows(*columns)))
        tally = SplitTally()

        def change(table: pl.DataFrame) -> pl.DataFrame:
            once, n_removed = distinct_rows(table, by=self.rule.by)
            tally.n_removed += n_removed
            return once

        if any(SPLIT in table.columns for table in rows()) and SPLIT not in self.rule.by:
            rows.rewrite(change, "filtering")
        with PartWriters(folder) as writers:
            for marked in progress(self.rule.mark(rows, tally.odd), f"splitting by {self.rule.name}", len(rows)):
                parts = split_rows(marked)
                tally.add(parts)
                writers.add([named(part) for part in parts])
        check_parts(self.rule.name, tally.n_rows)
        arguments = asdict(self.rule)
        counts = dict(zip(PARTS, tally.n_rows, strict=True))
        return {"name": self.rule.name, **arguments, "hash": writers.hash, **counts, "notes": list(tally.notes)}


class _Rows:
    """The interactions on disk while they are read, with statistics of all of them."""

    def __init__(self, folder: Path, wanted: Filter, rule: Rule) -> None:
        self._folder, self._filter, self._rule = folder, wanted, rule

    def begin(self, users: Sample, schema: pl.Schema) -> None:
        """Start reading, or start again. Raises DataError if a column that filter or split need is missing."""
        if self._rule.needs_file_rows:
            schema = pl.Schema({**schema, FILE_ROW: pl.Int64()})
        self._rule.check(schema.names())
        self._filter.apply(schema.to_frame(), Tally())
        shutil.rmtree(self._folder, ignore_errors=True)
        self.spill = Spill(self._folder, users.bounds(), pl.Schema({**schema, ITEM_ID: pl.UInt32()}))
        self._items, self._are_plain, self._n_rows = DictionaryEncoder(), True, 0
        self._odd: list[tuple[pl.DataFrame, pl.Series]] = []

    def put(self, rows: pl.DataFrame, numbers: pl.Series) -> None:
        """Add the next rows and their row numbers in the file."""
        if SPLIT in rows.columns:
            is_odd = ~rows[SPLIT].is_in(PARTS).fill_null(True)
            if is_odd.any():
                self._odd.append((rows.filter(is_odd), numbers.filter(is_odd)))
                rows = rows.filter(~is_odd)
        if self._rule.needs_file_rows:
            rows = rows.with_columns(pl.int_range(self._n_rows, self._n_rows + len(rows)).alias(FILE_ROW))
        self._n_rows += len(rows)
        self._are_plain = self._are_plain and are_plain(rows[USER_ID])
        self.spill.add(rows.with_columns(self._items.encode(rows[ITEM_ID])))

    def without_odd(self, table: ReadTable, problems: Problems) -> ReadTable:
        """Remove rows with unknown parts from the table, and report them as problems."""
        if not self._odd:
            return table
        frames, numbers = zip(*self._odd, strict=True)
        return known_parts_only(table._replace(frame=pl.concat(frames), rows=pl.concat(numbers)), problems)

    def close(self) -> pl.Series:
        """Finish reading and return the item ids by code."""
        self.spill.close()
        items = self._items.texts
        del self._items
        return items

    def ids(self, items: pl.Series) -> pl.DataFrame:
        """One row per item, and per user if some user ids may be near-duplicates; the other column is null."""
        users = pl.Series(dtype=pl.String) if self._are_plain else _distinct(self.spill, USER_ID)
        return pl.concat([users.alias(USER_ID).to_frame(), items.alias(ITEM_ID).to_frame()], how="diagonal")


def _distinct(rows: Spill, key: str) -> pl.Series:
    known = Distinct()
    for table in rows(key):
        known.add(table[key])
    return known.ids


def _made_before(out: Path, key: str, opened: OpenedFolder) -> dict[str, Any] | None:
    """The manifest at `out` if it was made from the same input; None if there is nothing. Raises ConfigError for anything else."""
    for table in opened.tables.values():
        for path in table.values() if isinstance(table, dict) else [table]:
            if path.is_dir() and is_inside(out, path):
                raise ConfigError(f"{out} lies in {path}, whose files are a table; choose a folder elsewhere")
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return None
    try:
        manifest = json.loads((out / MANIFEST).read_text(encoding="utf-8"))
        found = manifest["key"]
    except (OSError, ValueError, KeyError, TypeError):
        raise ConfigError(f"{out} exists and was not written by `mmrec data ingest`; choose another folder") from None
    if found != key:
        raise ConfigError(f"{out} exists, but was made from other files or with other settings; remove it, or choose another folder")
    return cast("dict[str, Any]", manifest)
