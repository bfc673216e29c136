"""Which files a path means."""

from pathlib import Path

import pytest

from mmrec.data.tables.formats import open_table
from mmrec.files.locate import files_of


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("a.csv", ["a.csv"]),
        ("parts", ["0.csv", "1.csv"]),
        ("parts/*.csv", [".hidden.csv", "0.csv", "1.csv"]),
        ("*/0.csv", ["0.csv"]),
        ("b*.csv", []),
        ("none/x.csv", []),
        ("[x].csv", ["[x].csv"]),
    ],
)
def test_a_file_a_folder_or_a_glob(tmp_path: Path, path: str, names: list[str]) -> None:
    (tmp_path / "parts").mkdir()
    for name in ("a.csv", "[x].csv", "parts/0.csv", "parts/1.csv", "parts/_SUCCESS", "parts/.hidden.csv"):
        (tmp_path / name).write_text("k\n1\n")
    assert [file.name for file in files_of(tmp_path / path)] == names


def test_a_glob_is_one_table(tmp_path: Path) -> None:
    for month in (2, 1):
        (tmp_path / f"orders-{month}.csv").write_text(f"k\n{month}\n")
    table = open_table(tmp_path / "orders-*.csv")
    assert table.frame.rows() == [("1",), ("2",)]
    assert table.place(1) == f"{tmp_path}/orders-2.csv:2"
