"""`mmrec compare`: run folders in, tables, verdicts and a page out; and what it refuses, in one message."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl
import pytest

from mmrec.cli.compare import compare
from mmrec.errors import ConfigError, DataError, MissingFile

VALUES = [0.1 * i for i in range(1, 9)]
Runs = Callable[..., Path]


@pytest.fixture
def make_run(tmp_path: Path) -> Runs:
    """`make_run(name, by, **config)`: a run folder as `mmrec train` leaves it, whose users have `VALUES` plus `by`."""

    def make(name: str, by: float = 0.0, split_hash: str = "abc", **config: object) -> Path:
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        mean = sum(VALUES) / len(VALUES) + by
        models = {"fusion": {"test/ndcg@20": mean, "val/ndcg@20": 0.5}, "ease": {"test/ndcg@20": 0.9}}
        (folder / "metrics.json").write_text(json.dumps({"models": models}))
        (folder / "run.json").write_text(json.dumps({"model": "fusion", "split": {"hash": split_hash}}))
        (folder / "config.yaml").write_text(json.dumps({"run_dir": str(folder), "evidence": config}))
        rows = [(f"u{i}", model, 1, v) for model, more in (("fusion", by), ("ease", 0.3)) for i, v in enumerate(v + more for v in VALUES)]
        pl.DataFrame(rows, schema=["user_id", "model", "seed", "ndcg@20"], orient="row").write_parquet(folder / "per_user.parquet")
        return folder

    return make


def words(*folders: Path | str) -> Sequence[str]:
    return [str(folder) for folder in folders]


def test_it_prints_tables_and_verdicts_and_writes_a_page(make_run: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    full, without = make_run("one", text=True), make_run("two", -0.09, text=False)
    comparison = compare(words(full, without))
    out, err = capsys.readouterr()
    said = "evidence.text=false is 20.0% below evidence.text=true in ndcg@20 (0.3600 against 0.4500), p = .008"
    assert said in " ".join(out.split()) and "0.0078" in out
    assert comparison.differences[0].test.mean == pytest.approx(-0.09)
    page = full.parent / "compare.html"
    assert err == f"page: {page}\n" and said in page.read_text(encoding="utf-8")


def test_output_is_a_file_or_a_folder(make_run: Runs, tmp_path: Path) -> None:
    runs = words(make_run("one"), make_run("two"))
    compare([*runs, "--output", str(tmp_path / "new" / "page.html")])
    compare(["--metric", "test/ndcg@20", "--output", str(tmp_path), *runs])
    assert (tmp_path / "new" / "page.html").is_file() and (tmp_path / "compare.html").is_file()
    assert not (tmp_path / "runs" / "compare.html").exists()


def test_runs_that_differ_in_nothing_are_called_by_their_folders(make_run: Runs) -> None:
    assert [run.label for run in compare(words(make_run("one"), make_run("two"))).runs] == ["one", "two"]


def test_another_split_is_refused(make_run: Runs) -> None:
    first, second = make_run("one"), make_run("two", split_hash="def")
    with pytest.raises(DataError) as refused:
        compare(words(first, second))
    assert all(part in str(refused.value) for part in (str(first), str(second), "abc", "def"))
    assert not (first.parent / "compare.html").exists()


def test_what_is_no_run_is_refused(make_run: Runs, tmp_path: Path) -> None:
    first = make_run("one")
    with pytest.raises(MissingFile, match=r"on does not exist; there are .*one"):
        compare(words(first, first.with_name("on")))
    unfinished = make_run("two")
    (unfinished / "metrics.json").unlink()
    with pytest.raises(MissingFile, match=r"two has no finished run \(no metrics\.json\)"):
        compare(words(first, unfinished))
    without = make_run("three")
    (without / "per_user.parquet").unlink()
    with pytest.raises(MissingFile, match=r"per_user\.parquet: not found"):
        compare(words(first, without))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--metrc", "x"], "--metrc: there is no such option; did you mean `--metric`?"),
        (["--metric"], "--metric: expected one argument"),
        (["--seed", "many"], "--seed: invalid int value: 'many'"),
        (["--metric", "ndcg@2"], "--metric: `ndcg@2` is not a common metric"),
    ],
)
def test_options_that_cannot_be_are_one_message(options: list[str], said: str, make_run: Runs) -> None:
    with pytest.raises(ConfigError) as refused:
        compare([*words(make_run("one"), make_run("two")), *options])
    assert str(refused.value).startswith(said)


def test_it_takes_two_different_folders(make_run: Runs) -> None:
    first = make_run("one")
    with pytest.raises(ConfigError, match="expected two run folders or more, found 1"):
        compare(words(first))
    with pytest.raises(ConfigError, match="one is repeated"):
        compare(words(first, f"{first}/"))
