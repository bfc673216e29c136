"""`mmrec train task=click`, from the command line to probabilities of clicks, labels in ranking, and what it refuses."""

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
    """Impressions at positions 1 to 4, clicked where user and item are of one parity; columns as in the logs of an advertiser."""
    folder, draw = tmp_path_factory.mktemp("clicks"), np.random.default_rng(0)
    user, item = np.divmod(draw.permutation(N_USERS * N_ITEMS)[:1000], N_ITEMS)
    place = draw.integers(1, 5, 1000)
    click = (draw.random(1000) < 1 / (1 + np.exp(-(3.0 * (user % 2 == item % 2) - 1 - 0.5 * place)))).astype(int)
    table = pl.DataFrame({"uid": [f"u{k}" for k in user], "campaign": [f"i{k}" for k in item], "click": click, "rank": place})
    table.write_csv(folder / "interactions.csv")
    items = pl.DataFrame({"item_id": [f"i{k}" for k in range(N_ITEMS)], "kind": [f"kind {k % 2}" for k in range(N_ITEMS)]})
    items.write_csv(folder / "items.csv")
    return folder


NAMES = ["user_id=uid", "item_id=campaign", "label=click", "position=rank"]


def words(shop: Path, tmp_path: Path, *more: str) -> list[str]:
    data = ["data=folder", f"data.path={shop}", "data.text_columns=[]", "graph.item_columns=[kind]"]
    named = [f"data.columns.interactions.{name}" for name in NAMES]
    return [*data, *named, *QUICK, f"paths.cache={tmp_path / 'cache'}", *more]


@pytest.fixture(scope="module")
def run(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    tmp_path = tmp_path_factory.mktemp("runs")
    quick = ["model.embedding_dim=8", "task.embedding_lr=0.05", "data_module.batch_size=128", "trainer.max_epochs=6"]
    baselines = ["baselines=[logistic_regression,deepfm,popularity]", "baselines.deepfm.n_trials=1"]
    return mmrec.train("task=click", *words(shop, tmp_path, *quick, *baselines), out=tmp_path / "run").folder


def test_the_run_has_metrics_over_all_rows_and_the_page_shows_reliability(run: Path) -> None:
    metrics = json.loads((run / "metrics.json").read_text())
    assert list(metrics["models"]) == ["click_fusion", "logistic_regression", "deepfm"]  # what ranks is left out
    assert metrics["lower_is_better"] == ["log_loss", "calibration_error"]
    ours = metrics["models"]["click_fusion"]
    assert {f"test/{name}" for name in ("auc", "user_auc", "log_loss", "calibration_error")} <= ours.keys()
    low, high = metrics["confidence"]["click_fusion"]["test/auc"]
    assert low < ours["test/auc"] < high
    assert ours["test/auc"] > metrics["models"]["logistic_regression"]["test/auc"] + 0.03
    assert sum(one["n"] for one in metrics["reliability"]["click_fusion"]) == 100
    assert "How sure the predictions are" in (run / "report.html").read_text()
    chosen = json.loads((run / "run.json").read_text())["chosen"]["2026"]["clicks"]
    assert chosen.keys() == {"weight_of_fitted", "temperature", "offset"}


def test_probabilities_of_clicks_are_predicted_and_the_run_is_measured_again(run: Path) -> None:
    opened = mmrec.open_run(run)
    found = opened.click_probability(["u0", "u1"], ["i0", "i1", "i2"])
    assert found.columns == ["user_id", "item_id", "probability"] and len(found) == 6
    assert found["probability"].is_between(0, 1).all()
    of_u0 = dict(found.filter(user_id="u0").select("item_id", "probability").iter_rows())
    assert of_u0["i0"] > of_u0["i1"]
    assert opened.recommend("u0", k=3).height == 3
    again = mmrec.evaluate(run)
    assert again.filter(metric="test/auc")["mean"].item() == pytest.approx(again.filter(metric="test/auc")["reported"].item(), abs=1e-6)


def test_a_baseline_can_be_the_model_that_is_trained(shop: Path, tmp_path: Path) -> None:
    quick = ["model=factorization_machine", "model.n_trials=1", "baselines=none"]
    run = mmrec.train("task=click", *words(shop, tmp_path, *quick), out=tmp_path / "run")
    probability = run.click_probability("u0", ["i0", "i1"])["probability"]
    assert probability.is_between(0, 1).all() and probability[0] != probability[1]


def test_ranking_uses_what_was_clicked_unless_told_otherwise(shop: Path, tmp_path: Path) -> None:
    n_clicked = int(pl.read_csv(shop / "interactions.csv")["click"].sum())
    for labels, n in (("positive", n_clicked), ("ignore", 1000)):
        ranking = words(shop, tmp_path, "model=popularity", "baselines=none", f"filter.labels={labels}")
        run = mmrec.train(*ranking, out=tmp_path / labels)
        about = json.loads((run.folder / "run.json").read_text())["data"]
        assert about["n_interactions"] == n
        assert any("label 0 are left out" in note for note in about["notes"]) == (labels == "positive")
    with pytest.raises(ConfigError, match="does not predict clicks; `mmrec train task=click` trains one that does"):
        run.click_probability("u0", "i0")


def test_models_and_labels_that_do_not_suit_are_refused(shop: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="EASE predicts ranks, and ClickTask needs a model that predicts clicks"):
        mmrec.train("task=click", "model=ease", "data=folder", f"data.path={tmp_path / 'nothing'}")
    with pytest.raises(ConfigError, match=r"filter\.labels: expected positive, ignore or keep, found `all`"):
        mmrec.train("task=click", *words(shop, tmp_path, "filter.labels=all"), out=tmp_path / "run")
    unnamed = [word for word in words(shop, tmp_path) if "label" not in word]
    with pytest.raises(DataError, match="ClickTask needs a column `label`, the interactions have `user_id`, `item_id`, `position`; name"):
        mmrec.train("task=click", *unnamed, out=tmp_path / "run")


def test_a_label_that_is_neither_0_nor_1_is_named_by_file_and_line(shop: Path, tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    table = pl.read_csv(shop / "interactions.csv").with_row_index("n")
    table = table.with_columns(click=pl.when(pl.col("n") == 3).then(2).otherwise("click")).drop("n")
    table.write_csv(folder / "interactions.csv")
    (folder / "items.csv").write_bytes((shop / "items.csv").read_bytes())
    with pytest.raises(DataError, match=r"interactions\.csv:5:click: expected 0 or 1 \(or false or true\), found `2`"):
        mmrec.train("task=click", *words(folder, tmp_path), out=tmp_path / "run")
    run = mmrec.train(*words(folder, tmp_path, "data.on_error=quarantine", "model=popularity", "baselines=none"), out=tmp_path / "run")
    assert json.loads((run.folder / "run.json").read_text())["data"]["rows"]["interactions"]["quarantined"] == 1


def test_an_impression_log_with_lists_in_cells_is_read_after_one_line(tmp_path: Path) -> None:
    """The layout of MIND, as the documentation transforms it."""
    log = pl.DataFrame(
        {"user": ["U1", "U2"], "time": ["11/11/2019 9:05:58 AM", "11/12/2019 6:11:30 PM"], "shown": ["N1-0 N2-1", "N2-0 N3-0 N1-1"]}
    )
    rows = log.with_columns(pl.col("shown").str.split(" "), position=pl.int_ranges(1, pl.col("shown").str.split(" ").list.len() + 1))
    rows = rows.explode("shown", "position").with_columns(
        pl.col("time").str.to_datetime("%m/%d/%Y %I:%M:%S %p"),
        item=pl.col("shown").str.head(-2),
        label=pl.col("shown").str.tail(1),
    )
    rows.drop("shown").write_csv(tmp_path / "interactions.csv")
    found = mmrec.read_folder(str(tmp_path), columns={"user_id": "user", "item_id": "item", "timestamp": "time"}).interactions
    assert found.select("user_id", "item_id", "label", "position").rows() == [
        ("U1", "N1", 0, 1),
        ("U1", "N2", 1, 2),
        ("U2", "N2", 0, 1),
        ("U2", "N3", 0, 2),
        ("U2", "N1", 1, 3),
    ]
    assert found["timestamp"][0] == 1573463158
