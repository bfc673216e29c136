"""Separators told by a header, and tables that are read with them."""

from pathlib import Path

import pytest

from mmrec.data.tables.delimited.separator import find_separator
from mmrec.data.tables.formats import open_table
from mmrec.errors import DataError


@pytest.mark.parametrize(
    ("header", "usual", "found"),
    [
        ("a;b", ",", ";"),
        ("a\tb\n", ",", "\t"),
        ("a|b", ",", "|"),
        ('"a;b";"c"', ",", ";"),
        ('"a;b"', ",", ","),
        ("a,b;c", ",", ","),
        ("a;b|c", ",", ","),
        ("a", ",", ","),
        ("", ",", ","),
        ("a;b", "\t", ";"),
    ],
)
def test_the_separator_under_which_the_header_has_several_columns(header: str, usual: str, found: str) -> None:
    assert find_separator(header, usual) == found


@pytest.mark.parametrize("name", ["t.csv", "t.txt"])
def test_a_table_is_read_with_it_and_a_note(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes('\ufeffKäufer;Artikel\nJörg;"x;y"\nanna;z;\n'.encode("cp1252", errors="ignore"))
    table = open_table(tmp_path / name)
    assert table.columns == ["Käufer", "Artikel"]
    assert table.notes[0] == f"{tmp_path / name} is separated by semicolons" and "was read as" in table.notes[1]
    with pytest.raises(DataError, match=r":3: expected 2 fields, as the header has, found 3: `anna;z;`"):
        _ = table.frame


def test_text_is_separated_by_commas_unless_its_header_says_otherwise(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("a,b\n1,2\n")
    table = open_table(tmp_path / "t.txt")
    assert (table.frame.rows(), table.notes) == ([("1", "2")], ())
