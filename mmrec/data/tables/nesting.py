"""Measure how deeply values are nested, in types and in text, before a parser exhausts memory, time or the stack on them."""

import re
from collections.abc import Iterable, Iterator, Mapping

import polars as pl

_JSON_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*"?', re.DOTALL)
_TO_LISTS = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_NO_LINES_NOR_BRACKETS = bytes(set(range(256)) - set(b"[]{}\n"))
_PAIRS = re.compile(rb"(?:\[\])+")
_RDF_TOKEN = re.compile(
    rb'"""(?:[^"\\]|\\.|"(?!""))*"""|'
    rb"'''(?:[^'\\]|\\.|'(?!''))*'''|"
    rb'"(?:[^"\\\n\r]|\\.)*"|'
    rb"'(?:[^'\\\n\r]|\\.)*'|"
    rb"<[^<>\s]*>|#[^\n\r]*|\\.|(?P<open><<)|(?P<close>>>)|\n",
    re.DOTALL,
)


def json_is_deeper(line: bytes, most: int) -> bool:
    """Whether one line of JSON nests lists and objects more than `most` deep."""
    if line.count(b"[") + line.count(b"{") <= most:
        return False
    rest, n_levels = _JSON_TEXT.sub(b"", line).translate(_TO_LISTS, _NO_BRACKETS), 0
    while b"[]" in rest:  # each round removes the innermost level
        rest, n_levels = _PAIRS.sub(b"", rest), n_levels + 1
        if n_levels > most:
            return True
    return n_levels + rest.count(b"[") > most  # brackets that are never closed


def any_json_is_deeper(blocks: Iterable[bytes], most: int) -> bool:
    """Whether any line in blocks of JSON lines nests lists and objects more than `most` deep."""
    many = re.compile(rb"(?:\[\]*){%d}" % (most + 1))
    return any(
        many.search(block.translate(_TO_LISTS, _NO_LINES_NOR_BRACKETS)) and any(json_is_deeper(line, most) for line in block.split(b"\n"))
        for block in blocks
    )


def deep_rdf(text: bytes, most: int) -> tuple[int, int] | None:
    """The line and column, from 1, at which N-Triples or Turtle first nests triples more than `most` deep; None if it does not."""
    if text.count(b"<<") <= most:
        return None
    depth, line, start = 0, 1, 0
    for match in _RDF_TOKEN.finditer(text):
        if match["open"]:
            depth += 1
            if depth > most:
                return line, match.start() - start + 1
        elif match["close"]:
            depth -= 1
        elif b"\n" in match[0]:
            line, start = line + match[0].count(b"\n"), match.start() + match[0].rindex(b"\n") + 1
    return None


def line_blocks(file: Iterable[bytes], n_bytes: int = 2**20) -> Iterator[bytes]:
    """Yield the lines of a file in blocks of about `n_bytes`."""
    lines, size = [], 0
    for line in file:
        lines.append(line)
        size += len(line)
        if size >= n_bytes:
            yield b"".join(lines)
            lines, size = [], 0
    yield b"".join(lines)


def n_fields(schema: Mapping[str, pl.DataType]) -> int:
    """The number of columns, with the fields of structs counted in place of the struct."""
    return sum(map(_n_fields, schema.values()))


def _n_fields(dtype: pl.DataType | pl.datatypes.DataTypeClass) -> int:
    if isinstance(dtype, pl.Struct):
        return max(1, sum(_n_fields(field.dtype) for field in dtype.fields))
    return _n_fields(dtype.inner) if isinstance(dtype, pl.List | pl.Array) else 1


def type_depth(dtype: pl.DataType | pl.datatypes.DataTypeClass) -> int:
    """The depth of nested lists and structs in a type; 0 for a plain value."""
    if isinstance(dtype, pl.Struct):
        return 1 + max((type_depth(field.dtype) for field in dtype.fields), default=0)
    return 1 + type_depth(dtype.inner) if isinstance(dtype, pl.List | pl.Array) else 0
