"""The encoding of text files: UTF-8, or one common encoding for all files of a dataset that are not UTF-8.

A file counts as UTF-8 if most of its non-ASCII characters are valid UTF-8; invalid bytes are kept as Python's `surrogateescape` keeps them,
and `odd_bytes` finds them again. The other files are read in the encoding given by the user; by default Western European (cp1252), unless
their bytes contradict it.
"""

import codecs
import encodings
import re
from collections.abc import Iterable, Mapping
from encodings.aliases import aliases
from functools import cached_property
from itertools import combinations
from pathlib import Path
from string import printable
from typing import NamedTuple

import polars as pl
from charset_normalizer import from_bytes

from mmrec.errors import ConfigError, DataError, nearest
from mmrec.files.compressed import open_bytes

UTF8 = "utf_8"
_WESTERN = "cp1252"
_USUAL = (
    *(
        "cp1250",
        "iso8859_2",
        "cp1251",
        "koi8_r",
        "koi8_u",
        "cp866",
        "cp1253",
        "iso8859_7",
        "cp1254",
        "cp1255",
        "cp1256",
        "cp1257",
        "cp1258",
    ),
    *("cp437", "cp850", "cp852", "gb18030", "gbk", "big5", "cp932", "shift_jis", "euc_jp", "euc_kr", "cp949", "cp874", "mac_roman"),
)
"""Encodings that are preferred to others that fit equally well."""
_GUESSED_FROM, _TOO_FEW = 2**20, 8
"""Bytes of non-UTF-8 lines used to detect the encoding; and the number of non-ASCII characters below which Western European is assumed."""
_LITTLE, _UNDEFINED_WEIGH = 0.2, 20
"""The tolerated fraction of suspicious non-ASCII characters; and how many of these an undefined byte counts for."""
_NOT_WESTERN = re.compile(r"[^\x00-\x7f]{3,}|(?<=[^\W\d_])[^\w\x00-\x7f’‘´·](?=[^\W\d_])")
_LONGEST_LINE = 2**20
_OF_7_BITS = ("iso2022", "hz", "utf_7")
_ESCAPED = re.compile("[\udc80-\udcff]")
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]+")
_ERRORS = "mmrec_escape_bytes"


class _Look(NamedTuple):
    """Statistics of the non-ASCII content of a file."""

    n_utf8: int
    """Letters that are valid UTF-8."""
    n_odd: int
    """Bytes that are not."""
    sample: bytes
    """Lines with such bytes."""

    @property
    def is_utf8(self) -> bool:
        return self.n_utf8 >= self.n_odd


class TextEncoding:
    """The encoding of the text files of a dataset.

    Args:
        paths: the files whose encoding is detected together.
        given: the encoding of files that are not UTF-8, as `check_encoding` names it. None: detected when such a file is met.
    """

    def __init__(self, paths: Iterable[Path], given: str | None = None) -> None:
        self.given = given
        self.read_as: dict[Path, str] = {}
        """Files that were read in another encoding than UTF-8, and that encoding."""
        self._paths = tuple(paths)
        self._looks: dict[Path, _Look] = {}

    @property
    def may_look_like_utf8(self) -> bool:
        """Whether the given encoding can produce files that are also valid UTF-8."""
        name = self.given or UTF8
        return name.startswith(_OF_7_BITS) or printable.encode(name) != printable.encode(UTF8)

    def of(self, path: Path) -> str:
        """The encoding of a file that is not entirely UTF-8. Raises DataError if no encoding fits."""
        if self.given is not None:
            return self.given
        if self._look(path).is_utf8:
            return UTF8
        if self._others is None:
            raise DataError(f"{path}: expected text, found bytes that are invalid in all known encodings; set data.encoding=")
        self.read_as[path] = self._others
        return self._others

    def check_ids(self, tables: Mapping[str, pl.DataFrame], columns: Iterable[tuple[str, ...]]) -> None:
        """Raise DataError if ids do not join although they agree in their ASCII characters, and encodings were detected.

        Args:
            tables: the tables by name.
            columns: groups of columns that hold the same ids, in whichever tables they occur.
        """
        for same in columns if self.read_as else ():
            ids = {
                stem: pl.concat([frame[name] for name in same if name in frame.columns])
                for stem, frame in tables.items()
                if {*same} & {*frame.columns}
            }
            for (one, here), (other, there) in combinations(ids.items(), 2):
                pair = _strays(here, there).join(_strays(there, here), on="skeleton").head(1)
                for ours, _, theirs in pair.rows():
                    said = ", ".join(f"{path} was read as {encoding}" for path, encoding in self.read_as.items())
                    raise DataError(
                        f"{said}: ids do not join, the {one} have `{ours}`, the {other} `{theirs}`; say which encoding it is, for instance "
                        "data.encoding=cp850, or save all files in UTF-8"
                    )

    def _look(self, path: Path) -> _Look:
        if path not in self._looks:
            self._looks[path] = _look(path)
        return self._looks[path]

    @cached_property
    def _others(self) -> str | None:
        """The common encoding of all files that are not UTF-8; None if none fits."""
        looks = [self._look(path) for path in self._paths]
        return _guess(b"".join(look.sample for look in looks if not look.is_utf8)[:_GUESSED_FROM])


def check_encoding(name: str, place: str) -> str:
    """The normalised name of an encoding. Raises ConfigError, starting with `place`, if it is not a text encoding."""
    normal = encodings.normalize_encoding(name).lower()
    known = {one for one in {*aliases.values(), "utf_8_sig"} if one != "mbcs" and _is_of_text(one)}
    found = aliases.get(normal, normal)
    if found not in known:
        raise ConfigError(f"{place}: there is no encoding `{name}`; {nearest(normal, known)}")
    return UTF8 if found == "utf_8_sig" else found


def _is_of_text(encoding: str) -> bool:
    """Whether an encoding maps text to bytes, unlike `zlib` or `rot13`."""
    try:
        "".encode(encoding)
    except LookupError:
        return False
    return True


def decode(raw: bytes, encoding: str) -> str:
    """Decode text and drop a byte order mark; bytes invalid in the encoding are kept so that `odd_bytes` finds them."""
    return raw.decode(encoding, _ERRORS).removeprefix("\ufeff")


def odd_bytes(text: str) -> str:
    """The first invalid byte in a decoded text with its surroundings, as `0xE9 in …`; empty if there is none."""
    found = _ESCAPED.search(text)
    return f"0x{ord(found[0]) - 0xDC00:X} in `{shown(text[max(0, found.start() - 20) : found.start() + 20])}`" if found else ""


def shown(text: str) -> str:
    """The text with invalid bytes in Python's notation: `Th\\xe9`."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def example(text: str) -> str:
    """An example with non-ASCII characters and its line number, for a note."""
    found = re.search(r"""[^\n,;\t|"]{0,20}[^\x00-\x7f][^\n,;\t|"]{0,20}""", text)
    return f"`{found[0].strip()}` in line {text.count(chr(10), 0, found.start()) + 1}" if found else "all of it ASCII"


def _escape(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    odd = error.object[error.start : error.end]
    return "".join(chr(byte + 0xDC00 if byte >= 0x80 else byte) for byte in odd), error.end


codecs.register_error(_ERRORS, _escape)


def _look(path: Path) -> _Look:
    n_utf8, n_odd, sample = 0, 0, b""
    with open_bytes(path) as file:
        for line in iter(lambda: file.readline(_LONGEST_LINE), b""):
            if not line.isascii():
                text = line.decode("utf-8", "surrogateescape")
                odd = len(_ESCAPED.findall(text))
                n_utf8, n_odd = n_utf8 + sum(map(len, _BEYOND_ASCII.findall(text))) - odd, n_odd + odd
                if odd and len(sample) < _GUESSED_FROM:
                    sample += line
    return _Look(n_utf8, n_odd, sample)


def _guess(sample: bytes) -> str | None:
    if _is_western(sample):
        return _WESTERN
    found = [match.encoding for match in from_bytes(sample, preemptive_behaviour=False, enable_fallback=False)]
    return next((name for name in found if name in _USUAL), found[0] if found else None)


def _is_western(sample: bytes) -> bool:
    """Whether a sample is plausible Western European: few undefined bytes, symbols within words or runs of non-ASCII letters."""
    text = sample.decode(_WESTERN, "surrogateescape")
    n_beyond_ascii = sum(map(len, _BEYOND_ASCII.findall(text)))
    n_against = sum(map(len, _NOT_WESTERN.findall(text))) + _UNDEFINED_WEIGH * len(_ESCAPED.findall(text))
    return "\0" not in text and (n_beyond_ascii < _TOO_FEW or n_against <= _LITTLE * n_beyond_ascii)


def _strays(ids: pl.Series, others: pl.Series) -> pl.DataFrame:
    """The non-ASCII ids that do not occur in `others`, and their ASCII characters."""
    alone = ids.unique(maintain_order=True).drop_nulls()
    alone = alone.filter(alone.str.contains(r"[^\x00-\x7f]") & ~alone.is_in(others.implode()))
    return pl.DataFrame({"id": alone, "skeleton": alone.str.replace_all(r"[^\x00-\x7f]+", "\0")})
