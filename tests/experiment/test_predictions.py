"""`mmrec evaluate run=… predictions=…` on a real small run: our own lists give our own numbers, and others are measured alike."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from omegaconf import DictConfig

from mmrec.cli.evaluate import evaluate
from mmrec.cli.train import train
from mmrec.errors import MissingFile
from mmrec.evaluation.pages.run_page import read_run

Compose = Callable[..., DictConfig]


@pytest.fixture(scope="module")
def run_dir(compose: Compose, shop_overrides: list[str], shop_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on the small shop with a users table: who rents, and a postcode of their own for each."""
    folder = tmp_path_factory.mktemp("data") / "shop"
    shutil.copytree(shop_folder, folder)
    users = [(f"u{i}", ("yes", "no")[i % 2], 10_000 + i) for i in range(60)]
    pl.DataFrame(users, schema=["user_id", "rents", "postcode"], orient="row").write_csv(folder / "users.csv")
    data = [word for word in shop_overrides if not word.startswith("data.path=")]
    return train(
        compose(
            *data,
            f"data.path={folder}",
            "trainer.max_epochs=1",
            "evaluation.report=true",
            f"run_dir={tmp_path_factory.mktemp('run') / 'one'}",
        )
    )


@pytest.fixture
def measure(compose: Compose, run_dir: Path) -> Callable[[Path], dict[str, float]]:
    return lambda path: evaluate(compose(f"run={run_dir}", f"predictions={path}", name="evaluate"))


def test_our_own_lists_have_our_own_numbers(
    measure: Callable[[Path], dict[str, float]], run_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for suffix, columns in ((".parquet", ["user_id", "item_id", "score"]), (".csv", ["user_id", "item_id", "rank"])):
        path, lists = tmp_path / f"ours{suffix}", pl.read_parquet(run_dir / "recommendations.parquet").select(columns)
        lists.write_parquet(path) if suffix == ".parquet" else lists.write_csv(path)
        found = measure(path)
        reported = json.loads((run_dir / "metrics.json").read_text(encoding="utf-8"))
        ours = {name: value for name, value in reported["models"]["fusion"].items() if name.startswith("test/") and name != "test/auc"}
        assert found == pytest.approx(ours, abs=1e-12)
        written = json.loads((tmp_path / "ours.metrics.json").read_text(encoding="utf-8"))
        assert written["models"] == {"ours": found} and written["cleaning"]["users_without_a_list"] == 0
        assert written["slices"]["ours"] == reported["slices"]["fusion"]
        assert list(written["slices"]["ours"]) == ["item_degree", "user_degree", "users.rents", "recency"]
        assert written["fairness"]["models"]["ours"] == reported["fairness"]["models"]["fusion"]
        assert written["calibration"]["item_degree"]["lists"]["ours"] == reported["calibration"]["item_degree"]["lists"]["fusion"]
        per_user = pl.read_parquet(tmp_path / "ours.per_user.parquet")
        theirs = pl.read_parquet(run_dir / "per_user.parquet").filter(model="fusion").select(per_user.columns)
        assert per_user.columns[0] == "user_id" and per_user.equals(theirs)
        assert list(written["slices"]["ours"]["users.rents"]) == ["no", "yes"]
        assert written["against fusion"]["ndcg@20"]["p_value"] == 1.0
        out, err = capsys.readouterr()
        assert all(name in out for name in ("ours", "fusion", "ease", "popularity", "vs. best of the run"))
        assert "ours minus fusion in ndcg@20: +0.0000" in err and f"metrics: {tmp_path / 'ours.metrics.json'}" in err


def test_a_perfect_list_is_perfect_and_a_user_without_one_counts_with_zero(
    measure: Callable[[Path], dict[str, float]], run_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    test = pl.read_parquet(run_dir / "split" / "test.parquet").select("user_id", "item_id", score=pl.lit(1.0))
    test.write_csv(tmp_path / "ease.csv")
    perfect = {name for name, value in measure(tmp_path / "ease.csv").items() if value == 1.0}
    assert perfect == {f"test/{name}@{k}" for name in ("recall", "ndcg", "hit_rate", "mrr", "map") for k in (10, 20)}
    written = json.loads((tmp_path / "ease.metrics.json").read_text(encoding="utf-8"))
    assert list(written["models"]) == ["ease.csv"], "a model of the run has that name"
    n, first = test["user_id"].n_unique(), test["user_id"][0]
    test.filter(pl.col("user_id") != first).write_csv(tmp_path / "most.csv")
    assert measure(tmp_path / "most.csv")["test/ndcg@20"] == pytest.approx(1 - 1 / n)
    assert f"1 of {n} test users have no list and count with zero" in capsys.readouterr().err


def test_the_report_shows_the_columns_of_the_users_table(run_dir: Path) -> None:
    html = (run_dir / "report.html").read_text(encoding="utf-8")
    assert "By rents" in html and "By time since the last interaction" in html and "postcode" not in html.split("<pre")[0]


def test_what_the_user_had_is_filtered(
    measure: Callable[[Path], dict[str, float]], run_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = [pl.read_parquet(run_dir / "split" / f"{part}.parquet").select("user_id", "item_id") for part in ("train", "valid", "test")]
    pl.concat([part.with_columns(score=pl.lit(2.0 - i)) for i, part in enumerate(parts)]).write_csv(tmp_path / "all.csv")
    assert measure(tmp_path / "all.csv")["test/ndcg@10"] == 1.0
    assert "rows of items with training or validation interactions of the user, filtered" in capsys.readouterr().err


def test_a_run_or_file_that_is_not_there(compose: Compose, run_dir: Path, tmp_path: Path) -> None:
    for run, path in ((tmp_path / "none", run_dir / "x.csv"), (run_dir, tmp_path / "none.csv")):
        with pytest.raises(MissingFile, match="none"):
            evaluate(compose(f"run={run}", f"predictions={path}", name="evaluate"))


@pytest.fixture(scope="module")
def two_seeds(compose: Compose, shop_overrides: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    common = ["trainer.max_epochs=1", "n_seeds=2", "evidence.text=false", "evidence.image=false", "baselines=none"]
    return train(compose(*shop_overrides, *common, f"run_dir={tmp_path_factory.mktemp('run') / 'two'}"))


def test_lists_of_several_seeds_are_measured_seed_by_seed(two_seeds: Path, compose: Compose, tmp_path: Path) -> None:
    lists = Path(shutil.copy(two_seeds / "recommendations.parquet", tmp_path / "ours.parquet"))
    found = evaluate(compose(f"run={two_seeds}", f"predictions={lists}", name="evaluate"))
    reported, written = (json.loads(path.read_text()) for path in (two_seeds / "metrics.json", tmp_path / "ours.metrics.json"))
    assert found == pytest.approx({name: reported["models"]["fusion"][name] for name in found}, abs=1e-12)
    per_user = pl.read_parquet(tmp_path / "ours.per_user.parquet")
    assert per_user.equals(pl.read_parquet(two_seeds / "per_user.parquet").filter(model="fusion").select(per_user.columns))
    assert list(written["cleaning"]) == ["2026", "2027"] and written["slices"]["ours"] == reported["slices"]["fusion"]
    assert written["confidence"]["ours"] == {name: reported["confidence"]["fusion"][name] for name in found}
    assert written["against fusion"]["ndcg@20"]["mean"] == 0


def test_the_report_shows_the_lists_of_the_first_seed_and_those_of_an_older_run(two_seeds: Path, tmp_path: Path) -> None:
    lists = pl.read_parquet(two_seeds / "recommendations.parquet")
    assert read_run(two_seeds).recommendations.equals(lists.filter(seed=2026)) and set(lists["seed"]) == {2026, 2027}
    older = Path(shutil.copytree(two_seeds, tmp_path / "older"))
    lists.filter(seed=2026).drop("seed").write_parquet(older / "recommendations.parquet")
    assert read_run(older).recommendations.equals(lists.filter(seed=2026).drop("seed"))
