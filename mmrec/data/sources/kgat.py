"""Read a dataset in the format of KGAT: space-separated integers without headers, with a given test part.

    train.txt, test.txt    a user and all of its items per line           (valid.txt is optional, like all below)
    kg_final.txt           head, relation, tail; the entity of an item has the item's number
    item_list.txt          org_id, remap_id, freebase_id, with a header: the original ids of the numbered items
    user_list.txt          org_id, remap_id
    relation_list.txt      org_id, remap_id

Users, items and entities are identified by their numbers, as in other systems that use these files; relations get their original names.
Wang et al., "KGAT: Knowledge Graph Attention Network for Recommendation", KDD 2019.
"""

from dataclasses import replace
from pathlib import Path

import polars as pl

from mmrec.data.folder.read import assemble, find_folder, hash_files
from mmrec.data.tables.columns import Column, read_table
from mmrec.data.tables.formats import open_table
from mmrec.data.tables.problems import Problem, Problems
from mmrec.errors import DataError
from mmrec.files.compressed import check_holes, open_bytes
from mmrec.files.limits import DEFAULTS, Limits
from mmrec.files.locate import missing_file
from mmrec.types import HEAD, ITEM_ID, PARTS, RELATION, SPLIT, TAIL, USER_ID, Dataset

_LINE, _PLACE, _TOKEN = "__line__", "__place__", "__token__"
_NUMBER = r"^[0-9]+$"
_LISTS = {"item_list": ITEM_ID, "user_list": USER_ID, "relation_list": RELATION}


def read_kgat(path: str, limits: Limits = DEFAULTS) -> Dataset:
    """Read the dataset in the folder `path` (`~` is expanded); its files must be within `limits`.

    The column `split` of the interactions holds the file, the column `original_id` the original ids of items and users.

    Raises:
        MissingFile: the folder does not exist, or lacks train.txt or test.txt.
        DataProblems: a value is not an integer, a line is not a triple, or a list has repeated entries.
        DataError: a file has no rows, a list lacks a column, or the triples contain none of the items.
    """
    folder = find_folder(path)
    names = (*PARTS, "kg_final", *_LISTS)
    paths = {name: file for name in names if (file := folder / f"{name}.txt").is_file()}
    for part in ("train", "test"):
        if part not in paths:
            raise missing_file(folder / f"{part}.txt")
    for file in paths.values():
        check_holes(file, limits)
    problems = Problems()
    parts = [_read_part(paths[part], problems).with_columns(pl.lit(part).alias(SPLIT)) for part in PARTS if part in paths]
    frames = {"interactions": pl.concat(parts)}
    lists = {key: _read_list(paths[name], key, problems, limits) for name, key in _LISTS.items() if name in paths}
    if "kg_final" in paths:
        frames["triples"] = _read_triples(paths["kg_final"], problems)
    problems.raise_any()
    if RELATION in lists and "triples" in frames:
        called = pl.col(RELATION).replace(*lists[RELATION].select(RELATION, "original_id"))
        frames["triples"] = frames["triples"].with_columns(called)
    frames |= {stem: lists[key] for stem, key in (("items", ITEM_ID), ("users", USER_ID)) if key in lists}
    dataset = assemble(folder, frames, text_columns=[], triples_path=paths.get("kg_final"))
    return replace(dataset, content_hash=hash_files(paths.values()))


def _read_part(path: Path, problems: Problems) -> pl.DataFrame:
    """One row `user_id, item_id` for each item of each line; users without items have none."""
    tokens = _read_tokens(path, problems)
    users = tokens.filter(pl.col(_PLACE) == 0).select(_LINE, pl.col(_TOKEN).alias(USER_ID))
    items = tokens.filter(pl.col(_PLACE) > 0).select(_LINE, pl.col(_TOKEN).alias(ITEM_ID))
    return users.join(items, on=_LINE, maintain_order="right").select(USER_ID, ITEM_ID)


def _read_triples(path: Path, problems: Problems) -> pl.DataFrame:
    """The table `head, relation, tail`; lines with another number of fields are problems."""
    lines = _read_tokens(path, problems).group_by(_LINE, maintain_order=True).agg(_TOKEN)
    n_tokens = pl.col(_TOKEN).list.len()
    bad = lines.filter(n_tokens != 3).with_columns(n_tokens.alias("n"))
    if len(bad):
        first = bad.select(_LINE, "n").head(max(1, problems.room)).iter_rows()
        shown = [_problem(path, line, "no-triple", f"expected head, relation and tail, found {n} numbers") for line, n in first]
        problems.add(str(path), shown, len(bad))
    columns = [pl.col(_TOKEN).list.get(place, null_on_oob=True).alias(name) for place, name in enumerate((HEAD, RELATION, TAIL))]
    return lines.filter(n_tokens == 3).select(columns)


def _read_tokens(path: Path, problems: Problems) -> pl.DataFrame:
    """Every number in the file as text without leading zeros, with its line, from 1, and its position, from 0; blank lines are skipped."""
    with open_bytes(path) as file:
        lines = pl.Series(_TOKEN, file.read().decode(errors="replace").split("\n"), dtype=pl.String)
    tokens = pl.DataFrame(lines.str.extract_all(r"\S+")).with_row_index(_LINE, offset=1).filter(pl.col(_TOKEN).list.len() > 0)
    if tokens.is_empty():
        raise DataError(f"{path}: expected lines of whole numbers, the file is empty")
    flat = tokens.with_columns(pl.int_ranges(pl.col(_TOKEN).list.len()).alias(_PLACE)).explode(_TOKEN, _PLACE)
    bad = flat.filter(~pl.col(_TOKEN).str.contains(_NUMBER))
    if len(bad):
        first = bad.select(_LINE, _TOKEN).head(max(1, problems.room)).iter_rows()
        shown = [_problem(path, line, "no-number", f"expected whole numbers, found `{token[:80]}`") for line, token in first]
        problems.add(str(path), shown, len(bad))
    return flat.with_columns(pl.col(_TOKEN).str.strip_chars_start("0").replace("", "0"))


def _problem(path: Path, line: int, code: str, reason: str) -> Problem:
    return Problem(code, f"{path}:{line}", reason)


def _read_list(path: Path, key: str, problems: Problems, limits: Limits) -> pl.DataFrame:
    """The original ids by number; those of relations, which become their names, must be unique."""
    columns = (Column(key, "id"), Column("original_id", "id"), Column("freebase_id", "text", optional=True))
    file = open_table(path, separator=" ", quote_char=None, limits=limits)
    table = read_table(file, columns, problems, {key: "remap_id", "original_id": "org_id"})
    # In the published item list of yelp2018, the field after a number is appended to it: `25709YQehHZot…`.
    number = pl.when(pl.col(key).str.contains(_NUMBER)).then(key).otherwise(pl.col(key).str.strip_suffix(pl.col("original_id")))
    table = table._replace(frame=table.frame.with_columns(number.alias(key)))
    no_number = ~table.frame[key].str.contains(_NUMBER)
    table = table.without(no_number, problems, key, "no-number", lambda value: f"expected a whole number, found `{value}`")
    table = table.once_each(key, problems)
    return (table.once_each("original_id", problems) if key == RELATION else table).frame
