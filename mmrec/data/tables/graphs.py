"""Readers for graph files: N-Triples, Turtle and GraphML, compressed or not, as tables `head, relation, tail, datatype`.

Entities are texts; in RDF, the IRI. The tail may be a literal: its text without the language tag, with the IRI of its datatype in the
fourth column, which is null otherwise. Blank nodes are local to their file. In N-Triples they keep their label, `_:b1`, prefixed with the
file if the table has several, `_:part-1.nt:b1`. In Turtle, where labels are optional, they are numbered within the file, `_:triples.ttl:1`.
"""

import os
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cached_property
from io import BufferedIOBase
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from xml.etree.ElementTree import Element, ParseError

import polars as pl

from mmrec.data.tables.delimited.encoding import TextEncoding, odd_bytes
from mmrec.data.tables.nesting import deep_rdf, line_blocks
from mmrec.data.tables.problems import Problem, Problems
from mmrec.data.tables.raw import Parts, TableFile, TextFile
from mmrec.errors import DataError, nearest
from mmrec.extras import needs
from mmrec.files.compressed import open_bytes
from mmrec.files.limits import DEFAULTS, Limits, key_of
from mmrec.types import DATATYPE, ENTITY, HEAD, ITEM_ID, RELATION, TAIL

if TYPE_CHECKING:
    from mmrec.data.tables.rdf import Row

RELATION_KEYS = (RELATION, "label", "edge label", "edgelabel")
"""Keys under which graph tools store the relation of an edge in GraphML, by priority; upper and lower case are equal."""
_COLUMNS = [HEAD, RELATION, TAIL, DATATYPE]
_BLOCK = 10_000
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class NTriplesFile(TextFile):
    """N-Triples: one triple per line. Lines that cannot be parsed become problems, and reading continues."""

    has_types = False
    scope = ""
    """The prefix of blank node labels: the file and a colon, if the table has several files."""

    def __init__(self, path: Path, limits: Limits = DEFAULTS, encoding: TextEncoding | None = None) -> None:
        self.limits = limits
        super().__init__(path, encoding)

    @property
    def columns(self) -> list[str]:
        return _COLUMNS

    def scan(self) -> pl.LazyFrame:
        from mmrec.data.tables.rdf import n_triples  # needs pyoxigraph

        try:
            with self.open() as file:
                blocks = map(self._not_deep, iter(lambda: "".join(islice(file, _BLOCK)), ""))
                return _as_frame(row for block in blocks for row in n_triples(block, self._labelled))
        except (SyntaxError, UnicodeError) as error:
            raise pl.exceptions.ComputeError(str(error)) from None

    def _salvage(self, problems: Problems) -> pl.LazyFrame:
        found = list(self._by_line())
        broken = [(line, error) for line, _, error in found if error]
        if broken:
            problems.add(str(self.path), [Problem("no-triple", f"{self.path}:{line}:{e.offset}", _reason(e)) for line, e in broken])
        self.broken = tuple(line for line, _ in broken)
        self._lines = [line for line, row, _ in found if row]
        return _as_frame(row for _, row, _ in found if row)

    def _row_lines(self) -> Iterator[int]:
        return (line for line, row, _ in self._by_line() if row)

    def _by_line(self) -> Iterator[tuple[int, "Row | None", SyntaxError | None]]:
        """For every line that is not a comment: its number, and its triple or the error in it."""
        from mmrec.data.tables.rdf import n_triples

        with self.open() as file:
            for line, text in enumerate(file, 1):
                if odd := odd_bytes(text):
                    yield line, None, SyntaxError(f"encoding: expected one throughout, found {odd}", (None, line, 1, None))
                    continue
                try:
                    text = self._not_deep(text.rstrip("\r\n"))
                    yield from ((line, row, None) for row in n_triples(text, self._labelled))
                except SyntaxError as error:
                    yield line, None, error

    def _labelled(self, label: str) -> str:
        return f"_:{self.scope}{label}"

    def _not_deep(self, text: str) -> str:
        """Return the text. Raises SyntaxError, as the parser does, for triples nested so deeply that they would crash the process."""
        if found := deep_rdf(text.encode(), self.limits.nesting):
            raise SyntaxError(f"nesting: {_too_deep(self.limits)}", (None, *found, None))
        return text


class TurtleFile(TableFile):
    """Turtle, in UTF-8. A syntax error raises DataError with its line, because nothing after it can be trusted."""

    has_types = False

    def __init__(self, path: Path, limits: Limits = DEFAULTS) -> None:
        self.limits = limits
        super().__init__(path)
        self.scope = f"{path.name}:"
        """The prefix of blank node numbers."""

    @property
    def columns(self) -> list[str]:
        return _COLUMNS

    def scan(self) -> pl.LazyFrame:
        return self._triples

    def salvage(self, problems: Problems) -> pl.LazyFrame:
        return self._triples

    def places(self, rows: Sequence[int]) -> list[str]:
        return [f"{self.path}:triple {row + 1}" for row in rows]

    @cached_property
    def _triples(self) -> pl.LazyFrame:
        from mmrec.data.tables.rdf import turtle

        numbers: dict[str, int] = {}

        def numbered(label: str) -> str:
            """Replace the parser's random labels by consecutive numbers."""
            return f"_:{self.scope}{numbers.setdefault(label, len(numbers) + 1)}"

        self._check_nesting()
        with open_bytes(self.path) as file:
            if file.peek(len(_BYTE_ORDER_MARK)).startswith(_BYTE_ORDER_MARK):
                file.read(len(_BYTE_ORDER_MARK))
            try:
                return _as_frame(turtle(file, numbered))
            except SyntaxError as error:
                raise DataError(f"{self.path}:{error.lineno}:{error.offset}: not Turtle: {_reason(error)}") from None

    def _check_nesting(self) -> None:
        with open_bytes(self.path) as file:
            is_deep = sum(block.count(b"<<") for block in line_blocks(file)) > self.limits.nesting
        if not is_deep:
            return
        with open_bytes(self.path) as file:
            found = deep_rdf(file.read(), self.limits.nesting)
        if found:
            raise DataError(f"{self.path}:{found[0]}:{found[1]}: {_too_deep(self.limits)}")


class GraphmlFile(TableFile):
    """The edges of a GraphML file, undirected ones from source to target, with all their other attributes as further columns.

    Nodes are named by their `label`, or by their id if they have no label or share it with another node. The relation of an edge without
    one is null. A node with a `datatype` is a literal: its edges get the datatype as a further column, and its label need not be unique.
    """

    has_types = False

    def __init__(self, path: Path, limits: Limits = DEFAULTS) -> None:
        self.limits = limits
        super().__init__(path)

    @property
    def columns(self) -> list[str]:
        return self._content.edges.columns

    def scan(self) -> pl.LazyFrame:
        return self._content.edges.lazy()

    def salvage(self, problems: Problems) -> pl.LazyFrame:
        return self.scan()

    def places(self, rows: Sequence[int]) -> list[str]:
        return [f"{self.path}:{self._content.lines[row]}" for row in rows]

    def links(self, known: Collection[str]) -> list[tuple[str, str]]:
        """Pairs of a known item and its entity, from the nodes' `item_id`, which may list several ids separated by spaces."""
        named = ((text.split(" ") if text not in known else [text], entity) for text, entity in self._content.items)
        return [(item, entity) for items, entity in named for item in items if item in known]

    @cached_property
    def _content(self) -> "_Graphml":
        keys: dict[str, _Key] = {}
        nodes: dict[str, dict[str, str]] = {}
        edges: list[_Edge] = []
        for line, tag, element in _elements(self.path, self.limits):
            if tag == "key":
                key = element.get("id", "")
                keys[key] = _Key(element.get("attr.name") or key, element.get("for", "all"), element.findtext("{*}default"))
            elif tag == "node":
                nodes[_required(element, "id", self.path, line)] = _data(element, tag, keys)
            elif tag == "edge":
                source, target = (_required(element, end, self.path, line) for end in ("source", "target"))
                edges.append(_Edge(line, source, target, _data(element, tag, keys)))
            elif tag == "hyperedge":
                raise DataError(f"{self.path}:{line}: expected edges between two nodes, found a hyperedge")
        names = self._names(nodes)
        for edge in edges:
            for end in (edge.source, edge.target):
                if end not in names:
                    raise DataError(f"{self.path}:{edge.line}: expected a node of this file, found `{end}`; {nearest(end, names)}")
        self._check_size(edges)
        items = [(item, names[node]) for node, data in nodes.items() if (item := _first(data, (ITEM_ID,)))]
        edges = [edge._replace(datatype=nodes[edge.target].get(DATATYPE)) for edge in edges]
        return _Graphml(_edge_table(edges, names), [edge.line for edge in edges], items)

    def _check_size(self, edges: Sequence["_Edge"]) -> None:
        n_columns = len({name for edge in edges for name in edge.data})
        self.limits.check_columns(self.path, n_columns)
        self.limits.check_cells(self.path, len(edges), n_columns, self.path.stat().st_size)

    def _names(self, nodes: dict[str, dict[str, str]]) -> dict[str, str]:
        """Map node ids to entities."""
        labels = {node: _first(data, ("label",)) for node, data in nodes.items()}
        bearers = Counter(label for node, label in labels.items() if DATATYPE not in nodes[node])
        shared = {node for node, label in labels.items() if DATATYPE not in nodes[node] and label is not None and bearers[label] > 1}
        if shared:
            self.notes = (f"{len(shared):,} nodes of {self.path} share their label with another and go by their id",)
        return {node: node if label is None or node in shared else label for node, label in labels.items()}


def open_graph(path: Path, limits: Limits = DEFAULTS, encoding: TextEncoding | None = None) -> TableFile:
    """Open a graph file by its suffix: .nt (in the given encoding), .ttl or .graphml, each optionally with .gz or .zst."""
    if ".nt" in path.suffixes[-2:]:
        return NTriplesFile(path, limits, encoding)
    return TurtleFile(path, limits) if ".ttl" in path.suffixes[-2:] else GraphmlFile(path, limits)


def keep_blank_nodes_apart(files: Sequence[TableFile]) -> None:
    """Prefix blank nodes with their file, since the same label means a different node in each file of a table."""
    root = os.path.commonpath([file.path.parent for file in files])
    for file in files:
        if isinstance(file, NTriplesFile | TurtleFile):
            file.scope = f"{file.path.relative_to(root).as_posix()}:"


def node_links(table: TableFile, known: Collection[str]) -> pl.DataFrame | None:
    """The table `item_id, entity` of the items that GraphML nodes name, see `GraphmlFile.links`; None if there are none."""
    files = table.parts if isinstance(table, Parts) else (table,)
    rows = [link for file in files if isinstance(file, GraphmlFile) for link in file.links(known)]
    return pl.DataFrame(rows, schema={ITEM_ID: pl.String, ENTITY: pl.String}, orient="row") if rows else None


def _as_frame(rows: "Iterable[Row]") -> pl.LazyFrame:
    rows, schema = iter(rows), dict.fromkeys(_COLUMNS, pl.String)
    blocks = [pl.DataFrame(schema=schema)]
    while block := list(islice(rows, _BLOCK)):
        blocks.append(pl.DataFrame(block, schema, orient="row"))
    return pl.concat(blocks).lazy()


def _too_deep(limits: Limits) -> str:
    return f"triples nested more than {limits.nesting} deep; {key_of('nesting')} allows more"


def _reason(error: SyntaxError) -> str:
    """The parser's message without its leading position."""
    return error.msg.partition(": ")[2]


class _Key(NamedTuple):
    """A GraphML key: the name of the attribute, the elements it applies to (node, edge or all), and its default."""

    name: str
    domain: str
    default: str | None


class _Edge(NamedTuple):
    line: int
    source: str
    target: str
    data: dict[str, str]
    datatype: str | None = None
    """The datatype of the target, if it is a literal."""


class _Graphml(NamedTuple):
    edges: pl.DataFrame
    lines: list[int]
    """The line of each edge, on which its opening tag ends."""
    items: list[tuple[str, str]]
    """The `item_id` attributes of nodes, and their entities."""


class _Lines:
    """A file read line by line, so that the position of the parser is known."""

    def __init__(self, file: BufferedIOBase, path: Path, limits: Limits) -> None:
        self.file, self.path, self.limits = file, path, limits
        self.line, self._next, self._n_open = 1, 1, 0

    def read(self, size: int) -> bytes:
        """Read a line, or at most `size` bytes of it."""
        text = self.file.readline(size)
        self.line, self._next = self._next, self._next + text.endswith(b"\n")
        value, bracket, _ = text.partition(b">")
        if self._n_open + len(value) > 1024 * self.limits.value_kb:  # the parser's cost is quadratic in the length of a value
            raise DataError(f"{self.path}:{self.line}: a value of more than {self.limits.value_kb} kB; {key_of('value_kb')} allows more")
        self._n_open = len(text) - text.rfind(b">") - 1 if bracket else self._n_open + len(text)
        return text


def _elements(path: Path, limits: Limits) -> Iterator[tuple[int, str, Element]]:
    """Yield every completed element with the line of its opening tag and its name. Nodes and edges are freed after they were yielded."""
    with needs("graph", "reading GraphML"):
        from defusedxml.common import DefusedXmlException
        from defusedxml.ElementTree import iterparse
    inside: list[tuple[int, Element]] = []
    with open_bytes(path) as file:
        source = _Lines(file, path, limits)
        try:
            for event, element in iterparse(source, ("start", "end"), forbid_dtd=True):
                tag = element.tag.rpartition("}")[2]
                if event == "start":
                    if not inside and tag != "graphml":
                        raise DataError(f"{path}:{source.line}: expected GraphML, found the element `{tag}`")
                    inside.append((source.line, element))
                    continue
                yield inside.pop()[0], tag, element
                if tag in ("node", "edge") and inside:
                    inside[-1][1].remove(element)
        except ParseError as error:
            line, column = error.position
            raise DataError(f"{path}:{line}:{column + 1}: not GraphML: {str(error).partition(': line')[0]}") from None
        except DefusedXmlException:
            raise DataError(f"{path}:{source.line}: GraphML with a document type or entities of its own is not read; remove them") from None


def _required(element: Element, name: str, path: Path, line: int) -> str:
    if (value := element.get(name)) is None:
        raise DataError(f"{path}:{line}: expected the attribute `{name}`, this `{element.tag.rpartition('}')[2]}` has none")
    return value


def _data(element: Element, tag: str, keys: dict[str, _Key]) -> dict[str, str]:
    """The attributes of a node or an edge by name, including defaults; blank values are omitted."""
    values: dict[str, str | None] = {
        key.name: key.default for key in keys.values() if key.default is not None and key.domain in (tag, "all")
    }
    for child in element:
        if child.tag.endswith("data"):  # the tag has its namespace as a prefix
            key = child.get("key", "")
            values[keys[key].name if key in keys else key] = child.text
    return {name: text for name, text in values.items() if text and not text.isspace()}


def _first(data: dict[str, str], names: Sequence[str]) -> str | None:
    """The value of the first of these names that exists, ignoring case."""
    by_name = {name.lower(): value for name, value in data.items()}
    return next((by_name[name] for name in names if name in by_name), None)


def _edge_table(edges: Sequence[_Edge], names: dict[str, str]) -> pl.DataFrame:
    others = [name for name in dict.fromkeys(name for edge in edges for name in edge.data) if name not in _COLUMNS]
    columns = {
        HEAD: [names[edge.source] for edge in edges],
        RELATION: [_first(edge.data, RELATION_KEYS) for edge in edges],
        TAIL: [names[edge.target] for edge in edges],
        DATATYPE: [edge.datatype for edge in edges],
    }
    columns |= {name: [edge.data.get(name) for edge in edges] for name in others}
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))
