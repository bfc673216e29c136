"""Which files a path means."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from mmrec.data.discover.survey import survey_folder
from mmrec.data.folder.read import read_folder
from mmrec.data.tables.formats import open_table
from mmrec.errors import DataError, MissingFile, MmrecError
from mmrec.files.locate import files_of, user_path


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


@pytest.mark.parametrize("name", ["shop[1]", "shop*", "sho?1", "[shop]1"])
@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_a_folder_is_not_taken_for_a_glob(tmp_path: Path, name: str, suffix: str) -> None:
    for folder in ("shop1", "shopx", name):
        (tmp_path / folder).mkdir()
        frame = pl.DataFrame({"k": [folder]})
        for part in ("a-1", "a-2"):
            path = tmp_path / folder / f"{part}{suffix}"
            {".csv": frame.write_csv, ".jsonl": frame.write_ndjson, ".parquet": frame.write_parquet}[suffix](path)
    for path in (f"a-1{suffix}", f"a-*{suffix}"):
        assert set(open_table(tmp_path / name / path).frame["k"]) == {name}


def test_what_is_there_by_name_wins_over_a_glob(tmp_path: Path) -> None:
    for path in ("parts1/a.csv", "parts[1]/a.csv", "parts1/b*.csv", "parts1/b2.csv"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text("k\n1\n")
    assert files_of(tmp_path / "parts[1]" / "*.csv") == [tmp_path / "parts[1]" / "a.csv"]
    assert files_of(tmp_path / "parts1" / "b*.csv") == [tmp_path / "parts1" / "b*.csv"]
    (tmp_path / "parts[1]" / "a.csv").unlink()
    (tmp_path / "parts[1]").rmdir()
    assert files_of(tmp_path / "parts[1]" / "a.csv") == [tmp_path / "parts1" / "a.csv"]


def test_a_tilde_is_a_home_folder_or_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")
    (tmp_path / "~there").mkdir()
    assert [user_path(text) for text in ("~/shop", "~there", "~nobody_of_this_name", "a~b")] == [
        Path("/home/me/shop"),
        tmp_path / "~there",
        tmp_path / "~nobody_of_this_name",
        Path("a~b"),
    ]


def test_a_glob_is_one_table(tmp_path: Path) -> None:
    for month in (2, 1):
        (tmp_path / f"orders-{month}.csv").write_text(f"k\n{month}\n")
    table = open_table(tmp_path / "orders-*.csv")
    assert table.frame.rows() == [("1",), ("2",)]
    assert table.place(1) == f"{tmp_path}/orders-2.csv:2"


def spark(folder: Path, files: dict[str, list[tuple[str, str]]], suffix: str) -> Path:
    """Interactions as Spark writes them: marks and checksums beside the files."""
    for name, rows in files.items():
        path = folder / f"{name}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        frame = pl.DataFrame(rows, schema=["user_id", "item_id"], orient="row")
        frame.write_parquet(path) if suffix == ".snappy.parquet" else frame.write_csv(path)
        (path.parent / f".{path.name}.crc").write_bytes(b"crc")
    for mark in ("_SUCCESS", "._SUCCESS.crc", "_temporary/0/part-0.csv"):
        (folder / mark).parent.mkdir(parents=True, exist_ok=True)
        (folder / mark).write_bytes(b"")
    return folder


DAYS = {"day=2024-01-01/part-0": [("u1", "i1")], "day=2024-01-02/part-0": [("u2", "i1")], "day=2024-01-02/part-1": [("u1", "i2")]}


@pytest.mark.parametrize("suffix", [".csv", ".snappy.parquet"])
@pytest.mark.parametrize("name", ["interactions", "interactions.parquet"])
def test_the_partitions_of_a_folder_are_a_column(tmp_path: Path, suffix: str, name: str) -> None:
    spark(tmp_path / name, DAYS, suffix)
    dataset = read_folder(str(tmp_path), columns={"timestamp": "day"})
    first = 1_704_067_200
    expected = [("u1", "i1", first), ("u2", "i1", first + 86_400), ("u1", "i2", first + 86_400)]
    assert dataset.interactions.select("user_id", "item_id", "timestamp").rows() == expected
    (tmp_path / name / "day=2024-01-02").rename(tmp_path / name / "day=2024-01-03")
    assert read_folder(str(tmp_path)).content_hash != dataset.content_hash


@pytest.mark.parametrize("suffix", [".csv", ".snappy.parquet"])
def test_partitions_within_partitions(tmp_path: Path, suffix: str) -> None:
    rows = [("u", "i")]
    null = "__HIVE_DEFAULT_PARTITION__"
    spark(tmp_path / "t", {f"year=2024/shop={shop}/part-0": rows for shop in ("a%2Fb", null)}, suffix)
    for path in ("t", f"t/year=*/*/*{suffix}"):
        frame = open_table(tmp_path / path).frame
        assert frame["shop"].to_list() == [None, "a/b"]
        assert frame["year"].to_list() == ([2024, 2024] if suffix == ".snappy.parquet" else ["2024", "2024"])
    codes = spark(tmp_path / "codes", {"zip=01234/part-0": rows, "zip=98765/part-0": rows}, suffix)
    assert open_table(codes).frame["zip"].to_list() == ["01234", "98765"]


def test_the_place_of_a_row_names_its_partition(tmp_path: Path) -> None:
    folder = spark(tmp_path / "t", DAYS, ".csv")
    (folder / "day=2024-01-02" / "part-1.csv").write_text("user_id,item_id\nu1,i2,x\n")
    with pytest.raises(DataError, match=r"t/day=2024-01-02/part-1.csv:2: expected 2 fields"):
        _ = open_table(folder).frame


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"day=1/part-0": [("u", "i")], "month=1/part-0": [("u", "i")]}, r"expected in folders called day=…, as .*day=1/part-0.csv"),
        ({"day=1/part-0": [("u", "i")], "part-0": [("u", "i")]}, r"t/part-0.csv: expected in folders called day=…"),
        ({"item_id=1/part-0": [("u", "i")]}, "expected no column `item_id`, since the file name gives it"),
        ({"old/part-0": [("u", "i")], "part-0": [("u", "i")]}, r"t/old: expected files of one table, or folders called column=value"),
    ],
)
def test_folders_that_are_no_partitions(tmp_path: Path, files: dict[str, list[tuple[str, str]]], said: str) -> None:
    with pytest.raises(DataError, match=said):
        open_table(spark(tmp_path / "t", files, ".csv"))


def test_a_link_that_goes_round_in_circles_is_no_partition(tmp_path: Path) -> None:
    folder = spark(tmp_path / "t", DAYS, ".csv")
    (folder / "day=2024-01-03").symlink_to(folder, target_is_directory=True)
    with pytest.raises(DataError, match="day=2024-01-03: expected files of one table"):
        open_table(folder)


def test_partitions_are_one_table_to_a_guess(tmp_path: Path) -> None:
    spark(tmp_path / "orders", DAYS, ".csv")
    (source,) = survey_folder(tmp_path).sources
    assert (source.name, source.n_files, source.columns) == ("orders", 3, ["user_id", "item_id", "day"])


def pipe(path: Path) -> None:
    os.mkfifo(path)


def socket_file(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as found:
        found.bind(str(path))


def link_to(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


ODD = {
    "a pipe": pipe,
    "a socket": socket_file,
    "a device": link_to("/dev/null"),
    "a broken link": link_to("none.csv"),
}


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize(
    "name", ["items.csv", "items", "items/part-0.csv", "interactions.jsonl", "mmrec.yaml", "things-0.csv", "audio_ids.csv"]
)
def test_what_is_no_file_is_one_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, name: str) -> None:
    monkeypatch.chdir(tmp_path)  # the path of a socket is short
    path, layout = Path(name), {}
    path.parent.mkdir(exist_ok=True)
    if not name.startswith("interactions"):
        Path("interactions.csv").write_text("user_id,item_id\nu,i\n")
    if name.startswith("things"):
        layout = {"tables": {"items": "things-*.csv"}}
    if name.startswith("audio"):
        Path("audio.npy").touch()
        layout = {"features": {"audio": "audio.npy"}}
    ODD[kind](path)
    with pytest.raises(MmrecError) as refused:
        read_folder(".", **layout)
    assert str(refused.value) == f"{path}: expected a file or a folder, found {kind}; remove it, or put a file there"


@pytest.mark.parametrize("kind", ODD)
def test_a_look_at_a_folder_waits_for_no_pipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.chdir(tmp_path)
    ODD[kind](Path("things.csv"))
    (said,) = survey_folder(Path()).others
    assert said.startswith(f"things.csv: expected a file or a folder, found {kind};")


@pytest.mark.parametrize("name", ["mmrec.yaml", "items.csv", "audio_ids.txt"])
def test_a_link_that_leads_out_is_neither_followed_nor_printed(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").write_text("sesame:x:0:0\n")
    shop = tmp_path / "shop"
    shop.mkdir()
    (shop / "interactions.csv").write_text("user_id,item_id\nu,i\n")
    (shop / "audio.npy").touch()
    (shop / name).symlink_to("../secret")
    with pytest.raises(MmrecError) as refused:
        read_folder(str(shop), features={"audio": "audio.npy"} if name.startswith("audio") else None)
    assert "out of" in str(refused.value) and "sesame" not in str(refused.value)


def test_a_folder_that_is_called_as_a_file_is_its_files(tmp_path: Path) -> None:
    """So does Spark write."""
    (tmp_path / "interactions.csv").mkdir()
    (tmp_path / "interactions.csv" / "part-0.csv").write_text("user_id,item_id\nu,i\n")
    assert read_folder(str(tmp_path)).interactions.rows() == [("u", "i")]
    (tmp_path / "mmrec.yaml").mkdir()
    with pytest.raises(MissingFile, match=r"mmrec.yaml: expected a file, found a folder$"):
        read_folder(str(tmp_path))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("q.csv", "q.csv: expected a folder, found a file"),
        ("q.csv/deeper/x", "q.csv/deeper/x: expected a folder, found a file at q.csv"),
        ("pipe", "pipe: expected a file or a folder, found a pipe"),
        ("pipe/x", "pipe/x: expected a folder, found a pipe at pipe"),
        ("nowhere", "nowhere: expected a file or a folder, found a broken link"),
        ("p.csv", "p.csv does not exist; did you mean `q.csv`?"),
    ],
)
def test_what_is_there_is_never_said_to_be_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, said: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("q.csv").touch()
    os.mkfifo("pipe")
    Path("nowhere").symlink_to("none")
    with pytest.raises(MissingFile) as refused:
        read_folder(name)
    assert str(refused.value) == said
