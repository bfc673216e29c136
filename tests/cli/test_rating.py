"""`mmrec train task=rating`, from the command line to predicted ratings, and what it refuses."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import mmrec
from mmrec.errors import ConfigError, DataError

N_USERS, N_ITEMS = 40, 30
QUICK = ["evidence.image=false", "trainer=debug", "~logger.tensorboard", "trainer.enable_progress_bar=false"]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ratings from 1 to 5, high where user and item are of one parity; in the order of a shuffled file."""
    folder, draw = tmp_path_factory.mktemp("ratings"), np.random.default_rng(0)
    user, item = np.divmod(draw.permutation(N_USERS * N_ITEMS)[:700], N_ITEMS)
    rating = np.clip(np.round(2 + 2 * (user % 2 == item % 2) + draw.normal(0, 0.5, 700)), 1, 5).astype(int)
    table = pl.DataFrame({"user_id": [f"u{k}" for k in user], "item_id": [f"i{k}" for k in item], "rating": rating})
    table.write_csv(folder / "interactions.csv")
    items = pl.DataFrame({"item_id": [f"i{k}" for k in range(N_ITEMS)], "kind": [f"kind {k % 2}" for k in range(N_ITEMS)]})
    items.write_csv(folder / "items.csv")
    return folder


def words(shop: Path, tmp_path: Path, *more: str) -> list[str]:
    data = ["task=rating", "data=folder", f"data.path={shop}", "data.text_columns=[]", "graph.item_columns=[kind]"]
    return [*data, *QUICK, f"paths.cache={tmp_path / 'cache'}", *more]


@pytest.fixture(scope="module")
def run(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    tmp_path = tmp_path_factory.mktemp("runs")
    quick = ["linear.n_samples=20", "linear.n_burn_in=10", "linear.embedding_dim=4", "model.embedding_dim=8", "n_seeds=2"]
    chosen = ["split=folds", "split.fold=2", "split.valid_ratio=0.2", "baselines=[user_item_mean,popularity]", "trainer.max_epochs=3"]
    return mmrec.train(*words(shop, tmp_path, *quick, *chosen), out=tmp_path / "run").folder


def test_the_run_has_errors_over_all_rows_and_the_page_says_so(run: Path, shop: Path) -> None:
    metrics = json.loads((run / "metrics.json").read_text())
    assert list(metrics["models"]) == ["rating_fusion", "user_item_mean"]  # what ranks is left out
    assert metrics["lower_is_better"][0] == "rmse"
    ours = metrics["models"]["rating_fusion"]
    low, high = metrics["confidence"]["rating_fusion"]["test/rmse"]
    assert low < ours["test/rmse"] < high
    assert ours["test/rmse"] < metrics["models"]["user_item_mean"]["test/rmse"]
    assert set(metrics["slices"]["rating_fusion"]) >= {"item_degree", "user_degree"}
    assert sum(one["n"] for one in metrics["reliability"]["rating_fusion"]) == 4 * 140
    page = (run / "report.html").read_text()
    assert "lower is better" in page and "How sure the predictions are" in page


def test_the_test_part_is_a_block_of_the_file(run: Path, shop: Path) -> None:
    block = pl.read_csv(shop / "interactions.csv")[140:280].select("user_id", "item_id").sort("user_id", "item_id")
    assert pl.read_parquet(run / "split" / "test.parquet").select("user_id", "item_id").equals(block)


def test_ratings_are_predicted_and_the_run_is_measured_again(run: Path) -> None:
    opened = mmrec.open_run(run)
    rated = opened.rate(["u0", "u1"], ["i0", "i1", "i2"])
    assert rated.columns == ["user_id", "item_id", "rating", "deviation"] and len(rated) == 6
    assert rated["rating"].is_between(1, 5).all() and (rated["deviation"] > 0).all()
    of_u0 = dict(rated.filter(user_id="u0").select("item_id", "rating").iter_rows())
    assert of_u0["i0"] > of_u0["i1"]
    assert opened.recommend("u0", k=3).height == 3
    again = mmrec.evaluate(run)
    assert again.filter(metric="test/rmse")["mean"].item() == pytest.approx(again.filter(metric="test/rmse")["reported"].item(), abs=1e-6)


def test_a_fitted_model_can_be_the_one_that_is_trained(shop: Path, tmp_path: Path) -> None:
    run = mmrec.train(*words(shop, tmp_path, "model=mean_rating", "model.n_trials=2", "baselines=none"), out=tmp_path / "run")
    assert run.metrics.filter(metric="test/rmse")["mean"].item() < 1.5
    assert run.rate("u0", "i0")["rating"].item() > 1


def test_a_run_that_ranks_cannot_rate(shop: Path, tmp_path: Path) -> None:
    ranking = [word for word in words(shop, tmp_path, "model=popularity", "baselines=none") if word != "task=rating"]
    run = mmrec.train(*ranking, out=tmp_path / "run")
    with pytest.raises(ConfigError, match="does not predict ratings; `mmrec train task=rating` trains one that does"):
        run.rate("u0", "i0")


def test_a_model_that_does_not_suit_the_task_is_refused_before_data_are_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="EASE predicts ranks, and RatingTask needs a model that predicts ratings"):
        mmrec.train("task=rating", "model=ease", "data=folder", f"data.path={tmp_path / 'nothing'}")
    with pytest.raises(ConfigError, match="BiasedMF predicts ratings, and RankingTask needs a model that predicts ranks"):
        mmrec.train("model=biased_mf", "data=folder", f"data.path={tmp_path / 'nothing'}")


def test_data_without_ratings_are_refused_in_one_message(shop: Path, tmp_path: Path) -> None:
    folder = tmp_path / "clicks"
    folder.mkdir()
    pl.read_csv(shop / "interactions.csv").drop("rating").write_csv(folder / "interactions.csv")
    (folder / "items.csv").write_bytes((shop / "items.csv").read_bytes())
    with pytest.raises(DataError, match="RatingTask needs a column `rating`, the interactions have `user_id`, `item_id`; name the column"):
        mmrec.train(*words(folder, tmp_path), out=tmp_path / "run")


def test_a_fold_that_there_is_not_is_refused(shop: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"split\.fold: expected a whole number from 1 to 5, found 6"):
        mmrec.train(*words(shop, tmp_path, "split=folds", "split.fold=6"), out=tmp_path / "run")


def test_a_rating_outside_the_scale_is_refused(shop: Path, tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    table = pl.read_csv(shop / "interactions.csv")
    table.with_columns(pl.when(pl.int_range(pl.len()) == 3).then(9).otherwise("rating").alias("rating")).write_csv(
        folder / "interactions.csv"
    )
    (folder / "items.csv").write_bytes((shop / "items.csv").read_bytes())
    with pytest.raises(DataError, match="outside the scale of the training part, 1 to 5, such as 9"):
        mmrec.train(*words(folder, tmp_path, "split=folds", "model=mean_rating", "baselines=none"), out=tmp_path / "run")
