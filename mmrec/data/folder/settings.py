"""Settings that travel with the data: `mmrec.yaml` in a folder says which file is which table, and what its columns are called.

    tables: {interactions: orders-2024-*.csv}            a file, a glob or a folder, inside the data folder; or, of interactions,
                                                         one for each part: {train: train.csv, valid: valid.csv, test: test.csv}
    columns: {item_id: sku, users: {user_id: number}}    our name to the files' name; below a table's name, in that table alone
    text_columns: [title, description]                   title first
    image_column: photo                                  or where pictures called by id lie: pictures/{item_id}.*
    header: false                                        files without a header line; {items: false} of one table alone
    features: {…}                                        passed on as it is
    inputs: {reviews: {text_columns: [review]}}          what further encoders read: columns of text, or an image_column
    encoding: cp1250                                     of text files that are not UTF-8

It is plain YAML: no tags, no anchors, no key twice. What the command line gives wins, key by key.
"""

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict

import yaml

from mmrec.data.folder.inputs import Input, check_inputs
from mmrec.data.tables.delimited.encoding import check_encoding
from mmrec.errors import ConfigError, MissingFile, nearest
from mmrec.files.limits import DEFAULTS, Limits, key_of
from mmrec.files.locate import check_file, files_of, find_table, is_inside, missing_file
from mmrec.types import ITEM_ID, PARTS, SPLIT

FILE = "mmrec.yaml"
Columns = dict[str, str | dict[str, str | None] | None]
Tables = dict[str, str | dict[str, str | None] | None]
_IN_PARTS = "interactions"


class Layout(TypedDict, total=False):
    """How a folder is laid out, as far as a person says it: the command line may, and so may `mmrec.yaml`, in the same words."""

    tables: Tables | None
    """Our name of a table to its file, glob or folder; interactions in parts have one for each, `{"train": "train.csv", …}`."""
    columns: Columns | None
    """Our name of a column to that of the files, `{"item_id": "sku"}`; of one table alone below its, `{"users": {"user_id": "nr"}}`."""
    text_columns: list[str] | None
    """Those of the items that make up their text, title first; else all that hold text, title-like ones first."""
    image_column: str | None
    """That of the items that holds image paths, or where files called by a column lie, `pictures/{item_id}.*`; else `image`."""
    header: bool | dict[str, bool | None] | None
    """Whether delimited text starts with the names of its columns, as it does where nothing is said; or that by table."""
    features: dict[str, str] | None
    """Modality to the file of its vectors, see `mmrec.data.folder.vectors`."""
    inputs: dict[str, Input] | None
    """Modality to what a further encoder reads of the items, see `mmrec.data.folder.inputs`."""
    encoding: str | None
    """That of text files that are not UTF-8; else what they look like, see `mmrec.data.tables.delimited.encoding`."""


_SHAPES = {
    "tables": dict,
    "columns": dict,
    "text_columns": list,
    "image_column": str,
    "features": dict,
    "inputs": dict,
    "header": bool | dict,
    "encoding": str,
}
_NOT_WITH_DATA = ("pictures", "limits", "allow_hosts", "allow_private", "on_error", "quarantine")
"""Keys of the command line that lead out of the folder, or decide what becomes of it."""
_SHAPE_NAMES = {dict: "names with a value each", list: "a list", str: "text", bool | dict: "true or false"}


@dataclass(frozen=True)
class Renaming:
    """What some tables call a column."""

    place: str
    """Where that is said: a key of the command line, or a file with line and key."""
    column: str
    name: str
    tables: tuple[str, ...]


@dataclass(frozen=True)
class Settings:
    """How to read the tables of a folder."""

    tables: Mapping[str, str | Mapping[str, str]] = field(default_factory=dict)
    """Our name of a table to its file, glob or folder, relative to the data folder; of the interactions perhaps one for each part."""
    renamings: tuple[Renaming, ...] = ()
    """A later one wins."""
    text_columns: list[str] | None = None
    image_column: str | None = None
    features: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Input] = field(default_factory=dict)
    header: bool | Mapping[str, bool] = True
    encoding: str | None = None
    places: Mapping[str, str] = field(default_factory=dict)
    """Where each key is said."""
    path: Path | None = None
    """The file that said some of it."""
    limits: Limits = DEFAULTS

    @property
    def notes(self) -> tuple[str, ...]:
        """That there is a file, and what it says; and that the interactions are given in parts."""
        said = ", ".join(key for key, place in self.places.items() if "." not in key and place.startswith(f"{self.path}:"))
        notes: tuple[str, ...] = (f"{self.path} says how to read this folder: {said}",) if said else ()
        if isinstance(parts := self.tables.get(_IN_PARTS), Mapping):
            named = ", ".join(part for part in PARTS if part in parts)
            notes += (f"the interactions are given in parts ({named}): split=given keeps to them",)
        return notes

    def has_header(self, table: str) -> bool:
        """Whether the files of a table start with the names of its columns, if they are delimited text."""
        return self.header if isinstance(self.header, bool) else self.header.get(table, True)

    def names(self, table: str) -> dict[str, str]:
        """Our name of a column to the name that a table gives it."""
        return {one.column: one.name for one in self.renamings if table in one.tables}

    def find(self, folder: Path, table: str) -> Path | dict[str, Path] | None:
        """Where a table is, or where each of its parts is: as the settings say, else under its own name; None where it is nowhere.

        Raises ConfigError for what lies outside the folder, and where both files and a column are to say the parts; MissingFile where the
        settings name nothing that is there.
        """
        if table not in self.tables:
            return find_table(folder, table)
        name, place = self.tables[table], self.places[f"tables.{table}"]
        if isinstance(name, str):
            return self._find(folder, name, place)
        for one in self.renamings:
            if one.column == SPLIT:
                raise ConfigError(f"{one.place}: the files say the parts already ({place}); leave one of the two out")
        return {part: self._find(folder, name[part], self.places[f"tables.{table}.{part}"]) for part in PARTS if part in name}

    def _find(self, folder: Path, name: str, place: str) -> Path:
        outside = ConfigError(f"{place}: expected a file, a glob or a folder inside {folder}, found `{name}`")
        if not name.strip("./") or Path(name).is_absolute() or ".." in Path(name).parts:
            raise outside
        self.limits.check_glob(place, name)
        try:
            files = files_of(folder / name)
        except ValueError as error:
            raise ConfigError(f"{place}: `{name}` is no glob: {error}") from None
        if not files and not (folder / name).is_dir():
            raise MissingFile(f"{place}: {missing_file(folder / name)}")
        if not all(is_inside(path, folder) for path in files):
            raise outside
        return folder / name

    def check_columns(self, found: Mapping[str, Collection[str]]) -> None:
        """Raises ConfigError for a name that no table has of those that could; `found` is what each table's file has."""
        for one in self.renamings:
            present = [table for table in one.tables if table in found]
            meant = [table for table in present if self.names(table)[one.column] == one.name]
            there = {name for table in meant for name in found[table]}
            if (meant or not present) and one.name not in there:
                where = " or ".join(meant) or f"the tables here: {', '.join(found)}"
                raise ConfigError(f"{one.place}: there is no column `{one.name}` in {where}; {nearest(one.name, there)}")


def read_settings(folder: Path, known: Mapping[str, Collection[str]], given: Layout, limits: Limits = DEFAULTS) -> Settings:
    """What `given`, the command line, says of reading a folder, and below that what its `mmrec.yaml` says, if there is one.

    `known` are the columns of each table that mmrec knows. Raises ConfigError, with the place, for what is no such file, and for keys and
    values that cannot be, with the nearest that can; DataError for a link that leads out of the folder.
    """
    path = folder / FILE
    content: dict[str, Any] = {}
    lines: dict[str, int] = {}
    if os.path.lexists(path):
        check_file(path, folder)
        if path.is_dir():
            raise missing_file(path)
        content, lines = _load(path, limits)
    places = {key: f"{path}:{line}: {key}" for key, line in lines.items()}
    _check(content, places, known)
    asked = _said(given)
    said = {key: f"data.{key}" for key in _keys(asked)}
    _check(asked, said, known)
    image_column = asked.get("image_column", content.get("image_column"))
    if image_column is not None:
        limits.check_glob((places | said)["image_column"], image_column)
    inputs = content.get("inputs", {}) | asked.get("inputs", {})
    for name, one in inputs.items():
        if image := one.get("image_column"):
            limits.check_glob((places | said)[f"inputs.{name}.image_column"], image)
    encoding = asked.get("encoding", content.get("encoding"))
    settings = Settings(
        tables=content.get("tables", {}) | asked.get("tables", {}),
        renamings=(*_renamings(content, places, known), *_renamings(asked, said, known)),
        text_columns=asked.get("text_columns", content.get("text_columns")),
        image_column=image_column,
        header=asked.get("header", content.get("header", True)),
        features=content.get("features", {}) | asked.get("features", {}),
        inputs=inputs,
        encoding=encoding and check_encoding(encoding, (places | said)["encoding"]),
        places=places | said,
        path=path if content else None,
        limits=limits,
    )
    ids = (ITEM_ID, settings.names("items").get(ITEM_ID, ITEM_ID))
    check_text_columns(settings.text_columns, ids, settings.places.get("text_columns", ""))
    for name, one in settings.inputs.items():
        check_text_columns(one.get("text_columns"), ids, settings.places.get(f"inputs.{name}.text_columns", ""))
    if settings.image_column in ids:
        place = settings.places["image_column"]
        raise ConfigError(f"{place}: `{settings.image_column}` holds the ids; where pictures are called by them, give '{{item_id}}'")
    return settings


def check_text_columns(names: Sequence[str] | None, ids: Collection[str], place: str) -> None:
    """Raises ConfigError, with the place, for a column that is named twice or holds the ids, which are no text of an item."""
    names = names or ()
    for name in names:
        if name in ids:
            raise ConfigError(f"{place}: `{name}` holds the ids of the items, which say nothing of them; leave it out")
        if names.count(name) > 1:
            raise ConfigError(f"{place}: `{name}` is there twice; leave one out")


def _check(content: Mapping[str, Any], places: Mapping[str, str], known: Mapping[str, Collection[str]]) -> None:
    """Raises ConfigError for the first thing that cannot be."""
    ours = {column for columns in known.values() for column in columns}
    for key in (key for key in places if key not in _SHAPES and ("." not in key or key in content)):
        if key in _NOT_WITH_DATA:
            raise ConfigError(f"{places[key]}: cannot be said here, where files come from others; give it as data.{key}=…")
        raise ConfigError(f"{places[key]}: there is no such setting; {nearest(key, _SHAPES)}")
    for key, value in content.items():
        if not isinstance(value, _SHAPES[key]):
            raise ConfigError(f"{places[key]}: expected {_SHAPE_NAMES[_SHAPES[key]]}, found `{value}`")
    for table, name in content.get("tables", {}).items():
        if table not in known:
            raise ConfigError(f"{places[f'tables.{table}']}: expected a table that mmrec knows; {nearest(table, known)}")
        in_parts = name if isinstance(name, dict) and table == _IN_PARTS else {}
        for part, one in in_parts.items() or [("", name)]:
            place = places[f"tables.{table}.{part}" if part else f"tables.{table}"]
            if part and part not in PARTS:
                raise ConfigError(f"{place}: expected a part; {nearest(part, PARTS)}")
            _check_text(one, place)
    header = content.get("header", True)
    for table, value in header.items() if isinstance(header, dict) else ():
        if table not in known:
            raise ConfigError(f"{places[f'header.{table}']}: expected a table that mmrec knows; {nearest(table, known)}")
        if not isinstance(value, bool):
            raise ConfigError(f"{places[f'header.{table}']}: expected true or false, found `{value}`")
    check_inputs(content.get("inputs", {}), places)
    for name in content.get("text_columns", []):
        _check_text(name, places["text_columns"])
    for column, name in content.get("columns", {}).items():
        of_table, key = column in known and isinstance(name, dict), f"columns.{column}"
        if column not in ours and not of_table:
            raise ConfigError(f"{places[key]}: expected a column that mmrec knows; {nearest(column, ours)}")
        for inner, text in name.items() if of_table else [("", name)]:
            place = places[f"{key}.{inner}" if inner else key]
            if inner and inner not in known[column]:
                raise ConfigError(f"{place}: expected a column of {column} that mmrec knows; {nearest(inner, known[column])}")
            _check_text(text, place)


def _check_text(value: object, place: str) -> None:
    if not isinstance(value, str) or not value:
        raise ConfigError(f"{place}: expected text, found `{value}`; put it in quotes if it is one")


def _renamings(content: Mapping[str, Any], places: Mapping[str, str], known: Mapping[str, Collection[str]]) -> Iterator[Renaming]:
    """Those for all tables first: what is said of one table wins."""
    columns = content.get("columns", {})
    for column, name in columns.items():
        if isinstance(name, str):
            yield Renaming(places[f"columns.{column}"], column, name, tuple(table for table in known if column in known[table]))
    for table, names in columns.items():
        if isinstance(names, dict):
            yield from (Renaming(places[f"columns.{table}.{column}"], column, name, (table,)) for column, name in names.items())


class _PlainLoader(yaml.SafeLoader):
    """YAML without what could surprise."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:  # `index` is an int, a node or None
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise yaml.MarkedYAMLError(problem="anchors and aliases are not taken here", problem_mark=event.start_mark)
        if event.tag is not None:
            raise yaml.MarkedYAMLError(problem=f"tags are not taken here, found `{event.tag}`", problem_mark=event.start_mark)
        return super().compose_node(parent, index)


def _load(path: Path, limits: Limits) -> tuple[dict[str, Any], dict[str, int]]:
    """The content of a settings file, keys without a value left out, and the line of every dotted key. Raises ConfigError."""
    if path.stat().st_size > 1024 * limits.settings_kb:
        raise ConfigError(
            f"{path}: {path.stat().st_size:,} bytes, more than the {limits.settings_kb} kB of settings; {key_of('settings_kb')} allows more"
        )
    try:
        loader = _PlainLoader(path.read_text(encoding="utf-8-sig"))
        node = loader.get_single_node()
        lines = dict(_lines(node, ""))
        content = None if node is None else loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else path
        raise ConfigError(f"{place}: not plain YAML: {error.problem}") from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise ConfigError(f"{path}: not plain YAML: {str(error).splitlines()[0]}") from None
    if not isinstance(content or {}, dict):
        raise ConfigError(f"{path}: expected settings as `name: value`, found `{str(content)[:80]}`")
    return _said(content or {}), lines


def _lines(node: yaml.Node | None, prefix: str) -> Iterator[tuple[str, int]]:
    """The dotted keys below a node with their lines. Raises MarkedYAMLError for a key that is no text or stands twice."""
    seen = set()
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        mark = key.start_mark
        if key.tag != "tag:yaml.org,2002:str":
            raise yaml.MarkedYAMLError(problem="expected a name; put it in quotes if it is one", problem_mark=mark)
        if key.value in seen:
            raise yaml.MarkedYAMLError(problem=f"`{key.value}` is there twice", problem_mark=mark)
        seen.add(key.value)
        yield f"{prefix}{key.value}", mark.line + 1
        yield from _lines(value, f"{prefix}{key.value}.")


def _said(content: Mapping[str, Any]) -> dict[str, Any]:
    """The same without keys that have no value."""
    plain = {key: _said(value) if isinstance(value, dict) else value for key, value in content.items()}
    return {key: value for key, value in plain.items() if value is not None and value != {}}


def _keys(content: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in content.items():
        yield f"{prefix}{key}"
        if isinstance(value, dict):
            yield from _keys(value, f"{prefix}{key}.")
