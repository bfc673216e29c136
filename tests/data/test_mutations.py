"""Folders that were sound until something happened to their bytes: every row is accounted for, every message has its place."""

import json
import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from mmrec.data.folder.read import read_folder
from mmrec.data.tables.problems import DataProblems
from mmrec.errors import MmrecError
from mmrec.types import Dataset

SOUND = {
    "interactions.csv": "user_id,item_id,timestamp,rating\nu1,007,1700000000,4\nu1,i2,1700000100,3.5\nu2,i2,1700000200,\nu3,i3,1,5\n",
    "items.jsonl": '{"item_id": "007", "title": "Pan", "price": 3}\n{"item_id": "i2", "title": "A, b", "price": 4}\n{"item_id": "i3"}\n',
    "triples.tsv": "head\trelation\ttail\n007\tmade_of\tiron\ni2\tmade_of\tiron\ni3\tmade_of\tclay\n",
    "item_entities.csv": "item_id,entity\n007,007\ni2,i2\ni3,i3\n",
    "users.csv": "user_id,town\nu1,Köln\nu2,Ghent\nu3,\n",
}
ODD = r"""— nan 1e400 -5 0x1F " "a a,b 99999999999999999999 null NULL =1+1 2024-02-30 2024-01-01T00:00:00+14:00 1700000000000 [] { ../x é"""
CELLS = [*ODD.split(), "", " ", "a\tb", "\u2028", "\x00", "\x1b[31m", "\ufeff", "e\u0301", "a" * 500]


@st.composite
def folders(draw: st.DrawFn) -> dict[str, bytes]:
    """The sound folder after one to four accidents."""
    files = {name: text.encode() for name, text in SOUND.items()}
    for _ in range(draw(st.integers(1, 4))):
        name = draw(st.sampled_from(sorted(files)))
        files[name] = draw(accidents(files[name]))
    return files


def accidents(raw: bytes) -> st.SearchStrategy[bytes]:
    lines, at = raw.splitlines(keepends=True), st.integers(0, max(len(raw) - 1, 0))
    row = st.integers(0, max(len(lines) - 1, 0))
    odd = st.sampled_from(CELLS).map(str.encode)
    in_a_row = st.one_of(
        st.tuples(st.integers(1, max(len(lines) - 1, 1)), st.integers(0, 3), odd).map(lambda drawn: b"".join(with_cell(lines, *drawn))),
        row.map(lambda k: b"".join([*lines[: k + 1], *lines[k:]])),
    )
    anywhere = st.one_of(
        st.tuples(at, st.integers(0, 255)).map(lambda drawn: raw[: drawn[0]] + bytes([drawn[1]]) + raw[drawn[0] + 1 :]),
        st.tuples(at, odd).map(lambda drawn: raw[: drawn[0]] + drawn[1] + raw[drawn[0] :]),
        at.map(lambda end: raw[:end]),
        row.map(lambda k: b"".join([*lines[:k], *lines[k + 1 :]])),
        st.permutations(lines).map(b"".join),
    )
    in_all = st.one_of(
        st.sampled_from([(b",", b"\t"), (b",", b";"), (b"\n", b"\r\n"), (b"\n", b"\r")]).map(lambda marks: raw.replace(*marks)),
        st.sampled_from(["utf-16", "latin-1", "utf-32", "cp1252"]).map(lambda name: raw.decode("utf-8", "replace").encode(name, "replace")),
        st.just(b""),
    )
    return st.sampled_from([in_a_row, in_a_row, in_a_row, in_a_row, anywhere, anywhere, in_all]).flatmap(lambda kind: kind)


def with_cell(lines: list[bytes], row: int, cell: int, value: bytes) -> list[bytes]:
    """The lines with one cell of one row replaced."""
    if not lines:
        return [value]
    row = min(row, len(lines) - 1)
    line = lines[row].rstrip(b"\n")
    mark = b"\t" if b"\t" in line else b","
    cells = line.split(mark)
    cells[cell % len(cells)] = value
    return [*lines[:row], mark.join(cells) + b"\n", *lines[row + 1 :]]


def read(folder: Path, quarantine: Path | None = None) -> Dataset | MmrecError:
    """What is read, or the message that a person would see."""
    try:
        return read_folder(str(folder), on_error="quarantine" if quarantine else "stop", quarantine=quarantine and str(quarantine))
    except MmrecError as error:
        return error


def check(files: dict[str, bytes]) -> str:
    """Gives what became of it."""
    with tempfile.TemporaryDirectory() as scratch:
        folder, quarantine = Path(scratch) / "shop", Path(scratch) / "left out"
        folder.mkdir()
        for name, raw in files.items():
            (folder / name).write_bytes(raw)
        strict, lenient = read(folder), read(folder, quarantine)
        if isinstance(strict, DataProblems):
            check_places(strict, folder, files)
        else:
            assert isinstance(strict, Dataset) or str(folder) in str(strict)
        if isinstance(lenient, MmrecError):
            assert not isinstance(strict, Dataset) and str(folder) in str(lenient)
            return "refused"
        left_out = {path.stem: len(path.read_text(encoding="utf-8").split("\n")) - 1 for path in quarantine.glob("*/*.jsonl")}
        assert isinstance(strict, Dataset) == (not left_out)
        for count in lenient.counts:
            assert count.n_quarantined == left_out.get(count.table, 0), count
        kept = {count.table: count.n_kept for count in lenient.counts}
        assert kept["interactions"] == len(lenient.interactions) and kept["triples"] == len(lenient.triples)
        return "quarantined" if left_out else "read"


def check_places(error: DataProblems, folder: Path, files: dict[str, bytes]) -> None:
    assert len(error.problems) >= len(error.problems.shown) > 0
    json.dumps(error.problems.as_json())
    for problem in error.problems.shown:
        name, line = problem.place.removeprefix(f"{folder}/").split(":")[:2]
        assert name in files and 1 <= int(line) <= len(re.findall(rb"\r\n|\r|\n", files[name])) + 1, problem


def thorough(n: int) -> settings:
    return settings(max_examples=n, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@thorough(50)
@given(folders())
def test_no_accident_is_a_traceback_and_no_row_is_lost(files: dict[str, bytes]) -> None:
    event(check(files))


@pytest.mark.slow  # without a check of every signature, which the test above has
@pytest.mark.thorough
@thorough(1000)
@given(folders())
def test_no_accident_is_a_traceback_and_no_row_is_lost_at_length(files: dict[str, bytes]) -> None:
    check(files)
