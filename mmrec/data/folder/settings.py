"""Settings stored with the data: `mmrec.yaml` in a folder names the file of each table and the columns in it.

    tables: {interactions: orders-2024-*.csv}            a file, a glob or a folder, inside the data folder; for interactions
                                                         also one per part: {train: train.csv, valid: valid.csv, test: test.csv}
    columns: {item_id: sku, users: {user_id: number}}    our name to the files' name; below a table's name, for that table only
    text_columns: [title, description]                   title first
    image_column: photo                                  or a pattern of picture files: pictures/{item_id}.*
    header: false                                        files without a header line; {items: false} for single tables
    features: {…}                                        files of precomputed vectors
    inputs: {reviews: {text_columns: [review]}}          inputs of further encoders: text columns or an image_column
    encoding: cp1250                                     the encoding of text files that are not UTF-8

The file is plain YAML without tags, anchors or repeated keys. Keys given on the command line take precedence.
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
    """The layout of a folder, as given by the user on the command line or in `mmrec.yaml`, with the same keys."""

    tables: Tables | None
    """Table name to its file, glob or folder; for interactions also one per part, `{"train": "train.csv", …}`."""
    columns: Columns | None
    """Our column name to that of the files, `{"item_id": "sku"}`; for a single table below its name, `{"users": {"user_id": "nr"}}`."""
    text_columns: list[str] | None
    """The item columns that form the text, title first; by default all text columns, titles first."""
    image_column: str | None
    """The item column with image paths, or a file name pattern with a column, `pictures/{item_id}.*`; by default `image`."""
    header: bool | dict[str, bool | None] | None
    """Whether delimited text has a header line, by default true; or the same by table."""
    features: dict[str, str] | None
    """Modality to the file of its vectors, see `mmrec.data.folder.vectors`."""
    inputs: dict[str, Input] | None
    """Name to the input of a further encoder, see `mmrec.data.folder.inputs`."""
    encoding: str | None
    """The encoding of text files that are not UTF-8; by default detected, see `mmrec.data.tables.delimited.encoding`."""


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
"""Keys that only the command line may set, because they refer to places outside the folder or decide what happens with the data."""
_SHAPE_NAMES = {dict: "names with a value each", list: "a list", str: "text", bool | dict: "true or false"}


@dataclass(frozen=True)
class Renaming:
    """A mapping of one of our columns to its name in some tables."""

    place: str
    """Where it is set: a key of the command line, or a file with line and key."""
    column: str
    name: str
    tables: tuple[str, ...]


@dataclass(frozen=True)
class Settings:
    """The validated settings for reading the tables of a folder."""

    tables: Mapping[str, str | Mapping[str, str]] = field(default_factory=dict)
    """Table name to its file, glob or folder, relative to the data folder; for interactions possibly one per part."""
    renamings: tuple[Renaming, ...] = ()
    """Later entries take precedence."""
    text_columns: list[str] | None = None
    image_column: str | None = None
    features: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Input] = field(default_factory=dict)
    header: bool | Mapping[str, bool] = True
    encoding: str | None = None
    places: Mapping[str, str] = field(default_factory=dict)
    """Where each key is set."""
    path: Path | None = None
    """The settings file, if there is one."""
    limits: Limits = DEFAULTS

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on the settings file and its keys, and on interactions that are given in parts."""
        said = ", ".join(key for key, place in self.places.items() if "." not in key and place.startswith(f"{self.path}:"))
        notes: tuple[str, ...] = (f"{self.path} configures how this folder is read: {said}",) if said else ()
        if isinstance(parts := self.tables.get(_IN_PARTS), Mapping):
            named = ", ".join(part for part in PARTS if part in parts)
            notes += (f"the interactions are given in parts ({named}): split=given keeps to them",)
        return notes

    def has_header(self, table: str) -> bool:
        """Whether the files of a table have a header line, if they are delimited text."""
        return self.header if isinstance(self.header, bool) else self.header.get(table, True)

    def names(self, table: str) -> dict[str, str]:
        """Our column names to those of a table."""
        return {one.column: one.name for one in self.renamings if table in one.tables}

    def find(self, folder: Path, table: str) -> Path | dict[str, Path] | None:
        """Locate a table, or each of its parts, by the settings or by its default name; None if it does not exist.

        Raises:
            ConfigError: a path lies outside the folder, or parts are given both by files and by a column.
            MissingFile: the settings name a file that does not exist.
        """
        if table not in self.tables:
            return find_table(folder, table)
        name, place = self.tables[table], self.places[f"tables.{table}"]
        if isinstance(name, str):
            return self._find(folder, name, place)
        for one in self.renamings:
            if one.column == SPLIT:
                raise ConfigError(f"{one.place}: the parts are already given by files ({place}); leave one of the two out")
        return {part: self._find(folder, name[part], self.places[f"tables.{table}.{part}"]) for part in PARTS if part in name}

    def _find(self, folder: Path, name: str, place: str) -> Path:
        outside = ConfigError(f"{place}: expected a file, a glob or a folder inside {folder}, found `{name}`")
        if not name.strip("./") or Path(name).is_absolute() or ".." in Path(name).parts:
            raise outside
        self.limits.check_glob(place, name)
        try:
            files = files_of(folder / name)
        except ValueError as error:
            raise ConfigError(f"{place}: `{name}` is not a valid glob: {error}") from None
        if not files and not (folder / name).is_dir():
            raise MissingFile(f"{place}: {missing_file(folder / name)}")
        if not all(is_inside(path, folder) for path in files):
            raise outside
        return folder / name

    def check_columns(self, found: Mapping[str, Collection[str]]) -> None:
        """Raise ConfigError for a renamed column that exists in none of its tables; `found` has the columns of each table."""
        for one in self.renamings:
            present = [table for table in one.tables if table in found]
            meant = [table for table in present if self.names(table)[one.column] == one.name]
            there = {name for table in meant for name in found[table]}
            if (meant or not present) and one.name not in there:
                where = " or ".join(meant) or f"the tables here: {', '.join(found)}"
                raise ConfigError(f"{one.place}: there is no column `{one.name}` in {where}; {nearest(one.name, there)}")


def read_settings(folder: Path, known: Mapping[str, Collection[str]], given: Layout, limits: Limits = DEFAULTS) -> Settings:
    """Read and validate the settings of a folder: those of the command line, `given`, and then those of its `mmrec.yaml`, if it exists.

    Args:
        folder: the data folder.
        known: the columns of each table that mmrec knows.
        given: the settings of the command line.
        limits: the largest sizes that are accepted.

    Raises:
        ConfigError: invalid YAML, keys or values; the message starts with the place and suggests the nearest valid name.
        DataError: the file is a link to outside the folder.
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
        raise ConfigError(
            f"{place}: `{settings.image_column}` contains the ids of the items; where pictures are named by them, give '{{item_id}}'"
        )
    return settings


def check_text_columns(names: Sequence[str] | None, ids: Collection[str], place: str) -> None:
    """Raise ConfigError, with the place, for text columns that are repeated or hold ids."""
    names = names or ()
    for name in names:
        if name in ids:
            raise ConfigError(f"{place}: `{name}` contains the ids of the items, which are not informative; leave it out")
        if names.count(name) > 1:
            raise ConfigError(f"{place}: `{name}` is repeated; leave one out")


def _check(content: Mapping[str, Any], places: Mapping[str, str], known: Mapping[str, Collection[str]]) -> None:
    """Raise ConfigError for the first invalid setting."""
    ours = {column for columns in known.values() for column in columns}
    for key in (key for key in places if key not in _SHAPES and ("." not in key or key in content)):
        if key in _NOT_WITH_DATA:
            raise ConfigError(f"{places[key]}: cannot be set here, since the files may come from third parties; set it as data.{key}=…")
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
    """Yield the renamings: first those of all tables, so that those of single tables take precedence."""
    columns = content.get("columns", {})
    for column, name in columns.items():
        if isinstance(name, str):
            yield Renaming(places[f"columns.{column}"], column, name, tuple(table for table in known if column in known[table]))
    for table, names in columns.items():
        if isinstance(names, dict):
            yield from (Renaming(places[f"columns.{table}.{column}"], column, name, (table,)) for column, name in names.items())


class _PlainLoader(yaml.SafeLoader):
    """Loads YAML without tags, anchors and aliases."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:  # `index` is an int, a node or None
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise yaml.MarkedYAMLError(problem="anchors and aliases are not allowed here", problem_mark=event.start_mark)
        if event.tag is not None:
            raise yaml.MarkedYAMLError(problem=f"tags are not allowed here, found `{event.tag}`", problem_mark=event.start_mark)
        return super().compose_node(parent, index)


def _load(path: Path, limits: Limits) -> tuple[dict[str, Any], dict[str, int]]:
    """The content of a settings file without empty keys, and the line of every dotted key. Raises ConfigError."""
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
    """The dotted keys below a node with their lines. Raises MarkedYAMLError for keys that are not text or are repeated."""
    seen = set()
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        mark = key.start_mark
        if key.tag != "tag:yaml.org,2002:str":
            raise yaml.MarkedYAMLError(problem="expected a name; put it in quotes if it is one", problem_mark=mark)
        if key.value in seen:
            raise yaml.MarkedYAMLError(problem=f"`{key.value}` is repeated", problem_mark=mark)
        seen.add(key.value)
        yield f"{prefix}{key.value}", mark.line + 1
        yield from _lines(value, f"{prefix}{key.value}.")


def _said(content: Mapping[str, Any]) -> dict[str, Any]:
    """Drop the keys without a value, recursively."""
    plain = {key: _said(value) if isinstance(value, dict) else value for key, value in content.items()}
    return {key: value for key, value in plain.items() if value is not None and value != {}}


def _keys(content: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in content.items():
        yield f"{prefix}{key}"
        if isinstance(value, dict):
            yield from _keys(value, f"{prefix}{key}.")
