"""Ingest gives, row for row, what reading, filtering and splitting in memory do: every split, format and fault, in many files or one."""

import gzip
import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as cases
from hypothesis import strategies as st

from mmrec.data.folder.read import open_folder, read_folder
from mmrec.data.ingest import spill, stream
from mmrec.data.ingest.ingest import MANIFEST, Ingest
from mmrec.data.interactions import split
from mmrec.data.interactions.filter import Filter, filter_interactions
from mmrec.data.interactions.index import Index
from mmrec.data.interactions.split_rules import RULES, Rule
from mmrec.data.tables.problems import DataProblems
from mmrec.errors import ConfigError, DataError, MmrecError
from mmrec.types import FILE_ROW, PARTS

RATIOS = {"valid_ratio": 0.2, "test_ratio": 0.2}
ARGUMENTS = {
    "random_ratio": RATIOS | {"seed": 3},
    "user_time": RATIOS,
    "global_time": RATIOS,
    "leave_last_out": {},
    "cold_item": RATIOS | {"seed": 3},
    "cold_user": RATIOS | {"seed": 3},
    "given": {"valid_ratio": 0.2, "seed": 3},
    "folds": {"n_folds": 4, "fold": 2, "valid_ratio": 0.2, "seed": 3},
}
ALL = Filter(None, "first", 1, 1)
LIKED_CORE = Filter(2.0, "last", 3, 4)
SUFFIXES = ("csv", "tsv", "jsonl", "parquet", "csv.gz")


@pytest.fixture(params=["one file", "many files"])
def size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How many files the interactions are spilt to, and in how many pieces they are read."""
    if request.param == "many files":
        monkeypatch.setattr(spill, "ROWS_A_FILE", 40)
        monkeypatch.setattr(stream, "ROWS_A_PIECE", 33)
    return request.param


def events(n: int = 400, seed: int = 0, has_split: bool = False) -> pl.DataFrame:
    """Repeated pairs, equal times, missing ratings, ids of all kinds."""
    draw = np.random.default_rng(seed)
    users = ["007", "7", "ünï", "u 1", "a-user-with-a-name-longer-than-twelve-bytes", *(f"u{k}" for k in range(20))]
    items = ["I1", "i1", "雪", *(f"i{k:02}" for k in range(15))]
    frame = pl.DataFrame(
        {
            "user_id": [users[k] for k in draw.integers(0, len(users), n)],
            "item_id": [items[k] for k in draw.integers(0, len(items), n)],
            "timestamp": draw.integers(1_600_000_000, 1_600_000_060, n),
            "rating": [None if k == 0 else float(k) for k in draw.integers(0, 6, n)],
            "event": [None if k == 0 else f"e{k}" for k in draw.integers(0, 3, n)],
            "label": [None if k == 2 else int(k) for k in draw.integers(0, 3, n)],
            "position": [None if k == 0 else int(k) for k in draw.integers(0, 9, n)],
        }
    )
    return frame.with_columns(pl.Series("split", [PARTS[k] for k in draw.integers(0, 3, n)])) if has_split else frame


def write(frame: pl.DataFrame, path: Path) -> None:
    path.parent.mkdir(exist_ok=True, parents=True)
    if path.suffix == ".parquet":
        frame.write_parquet(path, row_group_size=50)
    elif path.suffix == ".jsonl":
        frame.write_ndjson(path)
    elif path.suffix == ".gz":
        path.write_bytes(gzip.compress(frame.write_csv().encode()))
    else:
        frame.write_csv(path, separator="\t" if path.suffix == ".tsv" else ",")


def rule(name: str) -> Rule:
    return RULES[name](**ARGUMENTS[name])


def in_memory(shop: Path, name: str, wanted: Filter, on_error: str = "stop", aside: Path | None = None) -> tuple:
    read = read_folder(str(shop), on_error=on_error, quarantine=str(aside))
    rows = read.interactions.with_columns(pl.int_range(pl.len()).alias(FILE_ROW))
    dataset = filter_interactions(replace(read, interactions=rows), **asdict(wanted))
    found = getattr(split, name)(dataset.interactions, **ARGUMENTS[name])
    if any(getattr(found, part).is_empty() for part in PARTS):
        raise DataError("empty")
    return dataset, found


def ingest(shop: Path, out: Path, name: str, wanted: Filter, on_error: str = "stop", aside: Path | None = None) -> dict:
    return Ingest(open_folder(str(shop), {}), wanted, rule(name), on_error, str(aside), None).into(out)[0]


def check_same(shop: Path, out: Path, name: str, wanted: Filter = ALL, on_error: str = "stop") -> dict:
    """Both ways give the same, or refuse for the same reason."""
    refused = None
    try:
        dataset, expected = in_memory(shop, name, wanted, on_error, out.parent / "a")
    except MmrecError as error:
        refused = error
    if refused is not None:
        with pytest.raises(type(refused)) as raised:
            ingest(shop, out, name, wanted, on_error, out.parent / "b")
        assert str(refused) in ("empty", str(raised.value))
        assert not out.exists()
        assert not list(out.parent.glob(".*"))
        return {}
    manifest = ingest(shop, out, name, wanted, on_error, out.parent / "b")
    for part in PARTS:
        assert pl.read_parquet(out / f"{part}.parquet").equals(getattr(expected, part), null_equal=True), part
    assert manifest["split"]["hash"] == expected.hash
    assert tuple(manifest["split"]["notes"]) == expected.notes
    assert tuple(manifest["notes"]) == dataset.notes
    assert manifest["counts"] == {count.table: count.as_dict() for count in dataset.counts}
    assert manifest["input"]["hash"] == dataset.content_hash
    again = filter_interactions(read_folder(str(out)), **asdict(ALL))
    kept = split.given(again.interactions, valid_ratio=0.1, seed=0)
    assert kept.hash == expected.hash
    assert again.items.equals(dataset.items, null_equal=True)
    assert (again.text_columns, again.image_column) == (dataset.text_columns, dataset.image_column)
    for one, other in ((again.triples, dataset.triples), (again.users, dataset.users)):
        assert (one is None and other is None) or one.equals(other)
    ours, theirs = Index.build(again, 1), Index.build(dataset, 1)
    assert ours.item_ids.equals(theirs.item_ids)
    assert ours.user_ids.equals(theirs.user_ids)
    assert ours.events == theirs.events
    return manifest


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("wanted", [ALL, LIKED_CORE], ids=["all", "core"])
def test_every_split_is_that_of_memory(tmp_path: Path, size: str, name: str, wanted: Filter) -> None:
    write(events(has_split=name in ("given", "user_time")), tmp_path / "shop" / "interactions.parquet")
    assert check_same(tmp_path / "shop", tmp_path / "out", name, wanted)["split"]["name"] == name


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_format(tmp_path: Path, size: str, suffix: str) -> None:
    write(events(), tmp_path / "shop" / f"interactions.{suffix}")
    assert check_same(tmp_path / "shop", tmp_path / "out", "global_time")


def test_a_table_in_files_of_many_types(tmp_path: Path, size: str) -> None:
    rows = events()
    write(rows.head(150), tmp_path / "shop" / "interactions" / "a.parquet")
    write(rows[150:250].with_columns(pl.col("timestamp").cast(pl.Int32)), tmp_path / "shop" / "interactions" / "b.parquet")
    write(rows[250:], tmp_path / "shop" / "interactions" / "c.parquet")
    assert check_same(tmp_path / "shop", tmp_path / "out", "random_ratio")


@pytest.mark.parametrize("unit", [10**3, 10**6, 10**9])
def test_the_unit_of_times_is_that_of_most(tmp_path: Path, size: str, unit: int) -> None:
    rows = events().with_columns(pl.when(pl.int_range(pl.len()) < 60).then(pl.col("timestamp")).otherwise(pl.col("timestamp") * unit))
    write(rows, tmp_path / "shop" / "interactions.csv")
    check_same(tmp_path / "shop", tmp_path / "stopped", "global_time")
    assert (
        check_same(tmp_path / "shop", tmp_path / "out", "global_time", on_error="quarantine")["counts"]["interactions"]["quarantined"] == 60
    )


@pytest.mark.parametrize("form", ["%Y%m%d", "%Y%m%d%H%M%S", "%Y", "%S", "0"])
@pytest.mark.parametrize("n_zeros", [0, 20])
def test_times_by_the_calendar_and_unlikely_ones(tmp_path: Path, size: str, form: str, n_zeros: int) -> None:
    times = pl.from_epoch("timestamp").dt.strftime(form)
    rows = events().with_columns(pl.when(pl.int_range(pl.len()) < n_zeros).then(pl.lit("0")).otherwise(times).alias("timestamp"))
    write(rows, tmp_path / "shop" / "interactions.csv")
    is_read = [bool(check_same(tmp_path / "shop", tmp_path / on, "random_ratio", on_error=on)) for on in ("stop", "quarantine")]
    assert is_read == [form != "0" and (form == "%S" or not n_zeros), form != "0"]


BAD = {
    "values": lambda lines: [*lines[:50], "u1,,5,1,e", "u1,i1,never,1,e", *lines[50:90], ",i1,1600000000,many,e", *lines[90:]],
    "many": lambda lines: [line if k % 2 else line.replace(",16", ",x") for k, line in enumerate(lines)],
    "fields": lambda lines: [*lines[:70], "u1,i1,1600000000,1,e,six,seven", *lines[70:]],
    "headers": lambda lines: [*lines[:70], "user_id,item_id,timestamp,rating,event", *lines[70:]],
    "quotes": lambda lines: [*lines[:70], '"u1,i1,1600000000,1,e', *lines[70:]],
    "kinds": lambda lines: ["1,2,1600000000,1,e", "1,3,1600000000,1,e", *(f"u{line}" for line in lines if not line.startswith("7"))],
    "all": lambda lines: [f",{line}" for line in lines],
    "none": lambda lines: [],
}


@pytest.mark.parametrize("fault", BAD)
@pytest.mark.parametrize("on_error", ["stop", "quarantine"])
def test_what_is_wrong_is_told_alike(tmp_path: Path, size: str, fault: str, on_error: str) -> None:
    shop, lines = tmp_path / "shop", events().write_csv().splitlines()
    shop.mkdir()
    (shop / "interactions.csv").write_text("\n".join([lines[0], *BAD[fault](lines[1:])]) + "\n", encoding="utf-8")
    check_same(shop, tmp_path / "out", "random_ratio", on_error=on_error)
    for one in (tmp_path / "a").rglob("*.json*"):
        assert one.read_bytes() == (tmp_path / "b" / one.relative_to(tmp_path / "a")).read_bytes()


def test_rows_of_unknown_parts_and_of_none(tmp_path: Path, size: str) -> None:
    rows = events(has_split=True)
    odd = pl.when(pl.int_range(pl.len()) % 9 == 0).then(pl.lit("holdout")).otherwise("split").alias("split")
    write(rows.with_columns(odd), tmp_path / "shop" / "interactions.csv")
    check_same(tmp_path / "shop", tmp_path / "out", "given")
    assert check_same(tmp_path / "shop", tmp_path / "out", "given", on_error="quarantine")["counts"]["interactions"]["quarantined"] > 40
    none = pl.when(pl.int_range(pl.len()) % 9 == 0).then(None).otherwise("split").alias("split")
    write(rows.with_columns(none), tmp_path / "other" / "interactions.csv")
    check_same(tmp_path / "other", tmp_path / "o2", "given")
    assert check_same(tmp_path / "other", tmp_path / "o3", "global_time")


def test_given_parts_in_files_of_their_own_without_one_to_validate_on(tmp_path: Path, size: str) -> None:
    rows = events()
    write(rows.head(300), tmp_path / "shop" / "train.csv")
    write(rows[300:], tmp_path / "shop" / "test.csv")
    (tmp_path / "shop" / "mmrec.yaml").write_text("tables: {interactions: {train: train.csv, test: test.csv}}\n")
    assert check_same(tmp_path / "shop", tmp_path / "out", "given")["split"]["valid"] > 20


def test_all_that_is_known_of_the_items_goes_along(tmp_path: Path, size: str) -> None:
    shop, rows = tmp_path / "shop", events()
    write(rows.rename({"item_id": "sku"}), shop / "interactions.csv")
    ids = ["I1", "雪", "i01", "never bought", *(f"i{k:02}" for k in range(5, 12))]
    write(
        pl.DataFrame({"sku": ids, "year": range(len(ids)), "name": [f"n {k}" for k in ids], "image": [f"{k}.jpg" for k in ids]}),
        shop / "items.csv",
    )
    write(pl.DataFrame({"head": ids, "relation": ["is"] * len(ids), "tail": ["a", "b"] * 5 + ["c"]}), shop / "triples.csv")
    write(pl.DataFrame({"user_id": ["007"], "age": [30]}), shop / "users.csv")
    np.save(shop / "audio.npy", np.arange(22, dtype=np.float64).reshape(11, 2))
    write(pl.DataFrame({"sku": ids}), shop / "audio_ids.csv")
    (shop / "mmrec.yaml").write_text("columns: {item_id: sku}\nfeatures: {audio: audio.npy}\n")
    manifest = check_same(shop, tmp_path / "out", "user_time")
    assert manifest["n_items"] == 19
    audio = read_folder(str(tmp_path / "out")).vectors["audio"]
    assert audio.item_ids.to_list() == ids
    assert audio.values.tolist() == np.arange(22).reshape(11, 2).tolist()
    core = ingest(shop, tmp_path / "core", "user_time", Filter(None, "first", 1, 5))
    assert core["n_items"] == len(read_folder(str(tmp_path / "core")).items)
    assert "never bought" not in read_folder(str(tmp_path / "core")).vectors["audio"].item_ids


@pytest.mark.parametrize("wanted", [Filter(3.0, "last", 1, 1), Filter(None, "first", 3, 1), Filter(None, "first", 1, 10)])
@pytest.mark.parametrize("name", ["given", "global_time"])
def test_every_filter(tmp_path: Path, size: str, name: str, wanted: Filter) -> None:
    write(events(has_split=True), tmp_path / "shop" / "interactions.parquet")
    assert check_same(tmp_path / "shop", tmp_path / "out", name, wanted)


def test_one_user_has_everything(tmp_path: Path, size: str) -> None:
    write(events().with_columns(user_id=pl.lit("u")), tmp_path / "shop" / "interactions.parquet")
    assert check_same(tmp_path / "shop", tmp_path / "out", "leave_last_out")["split"]["test"] == 1


IDS = st.sampled_from(["a", "A", " a", "1", "01", "1.0", "ä", "zz"])
ROWS = st.lists(
    st.tuples(IDS, IDS, st.sampled_from(["0", "5", "5000", "1600000000", "1600000000000", "x", ""]), IDS), min_size=1, max_size=30
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@cases(
    name=st.sampled_from(["random_ratio", "global_time", "user_time", "cold_item"]),
    rows=ROWS,
    files=st.integers(1, 9),
    piece=st.integers(1, 9),
    on_error=st.sampled_from(["stop", "quarantine"]),
)
def test_any_small_table(name: str, tmp_path_factory: pytest.TempPathFactory, rows: list, files: int, piece: int, on_error: str) -> None:
    folder = tmp_path_factory.mktemp("any")
    write(pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp", "rating"], orient="row"), folder / "shop" / "interactions.csv")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spill, "ROWS_A_FILE", files)
        patch.setattr(stream, "ROWS_A_PIECE", piece)
        check_same(folder / "shop", folder / "out", name, on_error=on_error)


def test_the_same_again_is_nothing_to_do_and_anything_else_is_refused(tmp_path: Path) -> None:
    shop, out = tmp_path / "shop", tmp_path / "out"
    write(events(), shop / "interactions.csv")

    def run(name: str, target: Path) -> bool:
        return Ingest(open_folder(str(shop), {}), ALL, rule(name), "stop", None, None).into(target)[1]

    assert run("user_time", out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert not run("user_time", out)
    assert run("user_time", tmp_path / "other")
    assert before == {path.name: path.read_bytes() for path in (tmp_path / "other").iterdir()}
    with pytest.raises(ConfigError, match="made from other files or with other settings"):
        run("global_time", out)
    with pytest.raises(ConfigError, match="was not written by `mmrec data ingest`"):
        run("user_time", shop)
    (tmp_path / "empty").mkdir()
    assert run("user_time", tmp_path / "empty")
    write(events(seed=1), shop / "interactions.csv")
    with pytest.raises(ConfigError, match="made from other files"):
        run("user_time", out)
    assert json.loads((out / MANIFEST).read_text())["split"]["name"] == "user_time"


def test_no_folder_inside_of_a_table(tmp_path: Path) -> None:
    write(events(), tmp_path / "shop" / "interactions" / "a.csv")
    with pytest.raises(ConfigError, match="whose files are a table"):
        ingest(tmp_path / "shop", tmp_path / "shop" / "interactions" / "out", "user_time", ALL)


@pytest.mark.parametrize("wanted", [Filter(9.0, "first", 1, 1), Filter(None, "first", 99, 1)])
def test_nothing_is_left(tmp_path: Path, size: str, wanted: Filter) -> None:
    write(events(), tmp_path / "shop" / "interactions.csv")
    assert check_same(tmp_path / "shop", tmp_path / "out", "user_time", wanted) == {}


@pytest.mark.parametrize("change", [lambda rows: rows.drop("rating"), lambda rows: rows.drop("timestamp")])
def test_a_column_is_missing(tmp_path: Path, change: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    write(change(events()), tmp_path / "shop" / "interactions.csv")
    assert check_same(tmp_path / "shop", tmp_path / "out", "user_time", Filter(3.0, "first", 1, 1)) == {}
    with pytest.raises((DataError, DataProblems)):
        ingest(tmp_path / "shop", tmp_path / "out", "given", ALL)
