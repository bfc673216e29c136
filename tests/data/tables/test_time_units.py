"""The unit of a column of times is told by its numbers: never are days, years or the digits of a date taken for seconds in 1970."""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from mmrec.data.folder.read import read_folder
from mmrec.data.tables.problems import DataProblems
from mmrec.errors import DataError
from mmrec.types import Dataset


def read(folder: Path, times: list[object], suffix: str = "csv") -> Dataset:
    users, items = ([f"{kind}{n}" for n in range(len(times))] for kind in "ui")
    if suffix == "csv":
        lines = (",".join(map(str, row)) for row in zip(users, items, times, strict=True))
        (folder / "interactions.csv").write_text("\n".join(["user_id,item_id,timestamp", *lines]) + "\n")
    else:
        pl.DataFrame({"user_id": users, "item_id": items, "timestamp": times}).write_parquet(folder / "interactions.parquet")
    return read_folder(str(folder))


def seconds(*time: int) -> int:
    return int(datetime(*time, tzinfo=UTC).timestamp())


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize(
    ("times", "expected", "unit"),
    [
        ([20210129, 20200229], [seconds(2021, 1, 29), seconds(2020, 2, 29)], "dates, YYYYMMDD"),
        ([202101291859, 202002290000], [seconds(2021, 1, 29, 18, 59), seconds(2020, 2, 29)], "dates with minutes, YYYYMMDDhhmm"),
        ([20210129185958], [seconds(2021, 1, 29, 18, 59, 58)], "dates with seconds, YYYYMMDDhhmmss"),
        ([1998, 2024], [seconds(1998, 1, 1), seconds(2024, 1, 1)], "years"),
        ([44562.5, 44563.0], [seconds(2022, 1, 1, 12), seconds(2022, 1, 2)], "days since 1899-12-30, as spreadsheets count them"),
        ([44562, 44563], [seconds(2022, 1, 1), seconds(2022, 1, 2)], "days since 1899-12-30, as spreadsheets count them"),
        ([44562 + 8.5 / 24], [seconds(2022, 1, 1, 8, 30)], "days since 1899-12-30, as spreadsheets count them"),
        ([1611946798000, 1611946799999], [1611946798, 1611946799], "milliseconds"),
    ],
)
def test_other_units_are_read_and_told(tmp_path: Path, suffix: str, times: list[object], expected: list[int], unit: str) -> None:
    dataset = read(tmp_path, times, suffix)
    assert dataset.interactions["timestamp"].to_list() == expected
    assert dataset.notes == (f"{tmp_path}/interactions.{suffix}: timestamp is in {unit}",)


@pytest.mark.parametrize("times", [[20210129] * 20 + [20210230], [20210129] * 20 + [0], [1998] * 20 + [881250949], [44562] * 20 + [-1]])
def test_what_is_in_another_unit_than_the_rest_is_named(tmp_path: Path, times: list[object]) -> None:
    with pytest.raises(DataProblems) as refused:
        read(tmp_path, times)
    assert "interactions.csv:22:timestamp: expected a time in the unit of most rows, found" in str(refused.value)
    assert "[mixed-time-units]" in str(refused.value)


def test_iso_8601_needs_no_unit(tmp_path: Path) -> None:
    """12:00 of the first day has as many seconds as a day of 2018 has in a spreadsheet."""
    dataset = read(tmp_path, ["1970-01-01T12:00", "1970-01-01T12:10", "9999-12-31"])
    assert dataset.interactions["timestamp"].to_list() == [43200, 43800, seconds(9999, 12, 31)]
    assert dataset.notes == ()


@pytest.mark.parametrize("times", [list(range(1, 101)), list(range(1800, 3000)), list(range(100_000))])
def test_numbers_in_an_order_stay_and_are_told(tmp_path: Path, times: list[int]) -> None:
    dataset = read(tmp_path, times)
    assert dataset.interactions["timestamp"].to_list() == times
    n, span = f"{len(times):,}", f"from {times[0]} to {times[-1]}"
    said = "are outside of the years 1990 to 2100 as seconds since 1970; if they are none, write ISO 8601 such as 2024-12-31T23:59"
    assert dataset.notes == (f"{tmp_path}/interactions.csv: {n} of {n} times in timestamp, {span}, {said}",)


def test_a_few_unlikely_times_are_told(tmp_path: Path) -> None:
    (note,) = read(tmp_path, [881250949, 0, 1700000000]).notes
    assert ": 1 of 3 times in timestamp, all 0, are outside of the years 1990 to 2100" in note
    note, more = read(tmp_path, [1700000000000, 1700000001000, 10**14 - 1]).notes
    assert note.endswith("timestamp is in milliseconds") and f"1 of 3 times in timestamp, all {10**14 - 1}, are outside" in more


@pytest.mark.parametrize("times", [["0", "0"], ["1970-01-01"] * 3, [0, 0.0]])
def test_zeros_alone_are_no_times(tmp_path: Path, times: list[object]) -> None:
    with pytest.raises(
        DataError, match=r"csv: expected times in `timestamp`, found 0, which is 1970-01-01, in all \d rows; write the times"
    ):
        read(tmp_path, times)


def test_zeros_of_pandas_are_no_times(tmp_path: Path) -> None:
    """A whole number that pandas takes for nanoseconds."""
    times = pl.Series([20210129, 20210130]).cast(pl.Datetime("ns")).to_list()
    with pytest.raises(DataError, match="found 0, which is 1970-01-01, in all 2 rows"):
        read(tmp_path, times, "parquet")
