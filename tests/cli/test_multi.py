"""`mmrec train task=multi`, from files to a run that recommends and answers queries, and what it refuses."""

import json
import signal
import sys
from pathlib import Path

import polars as pl
import pytest
from lightning.pytorch import Trainer

import mmrec
import mmrec.experiment.fit
from mmrec.errors import ConfigError, DataError
from mmrec.experiment.fit import make_trainer
from mmrec.experiment.settings import TrainingSettings
from mmrec.serving.answer import Wanted

sys.path.insert(0, str(Path(__file__).parent))
from resumed_training import Kill, Killed

QUICK = ["trainer.max_epochs=2", "evidence.kg=false", "evidence.image=false", "linear=none"]
PAIRS = {"lamp": 0, "warm light": 0, "lamp no": 0, "light": 0, "chair": 1, "soft seat": 1, "chair no": 1, "seat": 1, "warm": 0, "soft": 1}
NEW = "i0"
"""Nobody had it, and it was never clicked."""


@pytest.fixture(scope="module")
def shop(shop_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small shop with ratings and queries, without a trace of one item but its text."""
    folder = tmp_path_factory.mktemp("queries") / "shop"
    folder.mkdir()
    for path in shop_folder.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    bought = pl.read_csv(folder / "interactions.csv").filter(pl.col("item_id") != NEW)
    bought.with_columns(rating=1 + pl.int_range(pl.len()) % 5).write_csv(folder / "interactions.csv")
    rows = [
        (f"{text} {number}", f"i{1 + 20 * kind + (3 * number + row) % 19}")
        for row, (text, kind) in enumerate(PAIRS.items())
        for number in range(6)
    ]
    pl.DataFrame(rows, schema=["query", "item_id"], orient="row").write_csv(folder / "queries.csv")
    return folder


@pytest.fixture(scope="module")
def words(shop: Path, shop_overrides: list[str]) -> list[str]:
    return ["task=multi", *shop_overrides, *QUICK, f"data.path={shop}"]


@pytest.fixture(scope="module")
def plain(words: list[str]) -> list[str]:
    """Without baselines."""
    return [*words, "baselines=none"]


@pytest.fixture(scope="module")
def run(words: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    more = ["baselines=search", "baselines.bm25.n_trials=2", "evaluation.report=true"]
    return mmrec.train(*words, *more, out=tmp_path_factory.mktemp("runs") / "run").folder


def test_the_service_recommends_and_searches(run: Path) -> None:
    opened = mmrec.open_run(run)
    service, wanted = opened.service(), opened.recommend("u1", k=5)
    assert [one.item_id for one in service.recommend("u1", Wanted(k=5)).items] == wanted["item_id"].to_list()
    wanted, found = opened.search("warm light", k=5), service.search("warm light", Wanted(k=5))
    assert [one.item_id for one in found.items] == wanted["item_id"].to_list()
    assert [one.score for one in found.items] == pytest.approx(wanted["score"].to_list(), abs=1e-5)
    assert "taste" in service.search("warm light", Wanted(k=5), "u1").reason
    assert service.similar("i3", "all", Wanted(k=3)).items


def test_metrics_of_all_tasks_are_in_one_file(run: Path) -> None:
    tasks = json.loads((run / "metrics.json").read_text())["tasks"]
    assert list(tasks) == ["ranking", "search"]
    assert list(tasks["ranking"]["models"]) == ["multi_fusion"]  # each baseline where it answers
    assert list(tasks["search"]["models"]) == ["multi_fusion", "popular_matches", "text_similarity", "bm25"]
    assert {"test/ndcg@10", "val/ndcg@10"} <= set(tasks["search"]["models"]["multi_fusion"])
    assert "test/ndcg@10" in tasks["search"]["confidence"]["multi_fusion"]
    best = json.loads((run / "checkpoints" / "seed_2026" / "best.json").read_text())
    assert best["metric"] == "val/mean_of_tasks"


def test_every_task_has_the_files_of_a_run(run: Path) -> None:
    queries = mmrec.open_run(run / "tasks" / "search")
    assert queries.metrics.filter(metric="test/ndcg@10")["model"].to_list() == [
        "multi_fusion",
        "popular_matches",
        "text_similarity",
        "bm25",
    ]
    assert set(pl.read_parquet(run / "split" / "test.parquet")["user_id"]) <= {f"u{user}" for user in range(60)}
    asked = {part: set(pl.read_parquet(run / f"tasks/search/split/{part}.parquet")["user_id"]) for part in ("train", "test")}
    assert asked["test"] and not asked["train"] & asked["test"]


def test_the_run_recommends_and_answers_queries(run: Path) -> None:
    opened = mmrec.open_run(run)
    assert opened.recommend("u3", k=4)["rank"].to_list() == [1, 2, 3, 4]
    found = opened.search("chair with a soft seat", k=5)
    assert sum(int(item[1:]) >= 20 for item in found["item_id"]) >= 3
    folded = opened.recommend(histories=[["i21", "i22", "i23"]], k=5)
    assert len(folded) == 5
    with pytest.raises(ConfigError, match="does not predict ratings"):
        opened.rate("u3", "i1")


def test_a_new_item_is_found_as_soon_as_it_exists(run: Path) -> None:
    assert NEW in mmrec.open_run(run).search("lamp no 0", k=8)["item_id"].to_list()


def test_the_report_shows_all_tasks_and_the_conflict_of_gradients(run: Path) -> None:
    report = (run / "report.html").read_text()
    assert "tasks/search/report.html" in report
    assert "cosine" in report and "weight" in report
    curves = pl.read_parquet(run / "curves.parquet")
    cosines = curves.filter(metric="train/cosine_ranking_search")["value"]
    assert len(cosines) and cosines.is_between(-1, 1).all() and (cosines != 0).any()


def test_the_run_is_measured_again(run: Path) -> None:
    again = mmrec.evaluate(run)
    one = again.filter(metric="test/search/ndcg@10")
    assert one["mean"].item() == pytest.approx(one["reported"].item(), abs=1e-6)
    assert "test/ndcg@20" in again["metric"] or "test/ranking/ndcg@20" in again["metric"]


def weights_of(run: Path) -> str:
    return str(json.loads((run / "run.json").read_text())["weights_sha256"])


@pytest.mark.slow
def test_a_killed_run_is_resumed_to_the_bit(plain: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    more = [*plain, "task.weights=gradnorm", "checkpoint.every_n_steps=2"]
    whole = mmrec.train(*more, out=tmp_path / "whole").folder

    def with_kill(settings: TrainingSettings, folder: Path) -> Trainer:
        trainer = make_trainer(settings, folder)
        trainer.callbacks.insert(0, Kill(3, signal.SIGKILL, tmp_path / "losses"))
        return trainer

    with monkeypatch.context() as patch:
        patch.setattr(mmrec.experiment.fit, "make_trainer", with_kill)
        with pytest.raises(Killed):
            mmrec.train(*more, out=tmp_path / "killed")
    resumed = mmrec.train(f"resume={tmp_path / 'killed'}", f"paths.cache={tmp_path / 'cache'}").folder
    assert weights_of(resumed) == weights_of(whole)
    one, other = (json.loads((folder / "metrics.json").read_text())["tasks"] for folder in (whole, resumed))
    assert one == other


@pytest.mark.slow
def test_one_task_is_that_task_alone(plain: list[str], tmp_path: Path) -> None:
    alone = mmrec.train(*plain[1:], out=tmp_path / "alone").metrics
    several = mmrec.train(*plain, "task.of=[ranking]", out=tmp_path / "several").metrics
    for name in ("val/ndcg@20", "test/ndcg@10", "test/recall@20"):
        assert alone.filter(model="fusion", metric=name)["mean"].item() == several.filter(model="multi_fusion", metric=name)["mean"].item()


@pytest.mark.slow
def test_ratings_beside_ranking(plain: list[str], tmp_path: Path) -> None:
    opened = mmrec.train(*plain, "task.of=[rating,ranking]", "task.weights=uncertainty", out=tmp_path / "run")
    stars = opened.rate("u3", ["i1", "i21"])
    assert stars["rating"].is_between(1, 5).all() and len(stars) == 2
    tasks = json.loads((opened.folder / "metrics.json").read_text())["tasks"]
    assert tasks["rating"]["lower_is_better"][0] == "rmse"
    with pytest.raises(ConfigError, match="does not answer search queries"):
        opened.search("lamp")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["task.of=[ranking,ranking]"], "task.of: `ranking` is repeated"),
        (["task.of=[ranking,serach]"], "task.of: there is no task `serach` that can be one of several; did you mean `search`"),
        (["task.of=[]"], "task.of: expected at least one"),
        (["task.weights={rating: 2}"], "task.weights.rating: this task is not in task.of, which has ranking, search"),
        (["task.weights=gradnrom"], "task.weights: expected uncertainty, gradnorm, or a weight by task"),
        (["model=fusion"], "model: FusionRecommender predicts ranks, and MultiTask needs a model"),
        (["selection.metric=val/ndcg@10"], "selection.metric: `val/ndcg@10` is not computed on the validation part"),
    ],
)
def test_what_cannot_be_several_tasks_is_refused(plain: list[str], more: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        mmrec.train(*plain, *more, out=tmp_path / "run")
    assert message in str(error.value)
    assert not (tmp_path / "run" / "config.yaml").exists()


def test_a_task_without_its_columns_is_refused(plain: list[str], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="ClickTask needs a column `label`, the interactions have `user_id`"):
        mmrec.train(*plain, "task.of=[ranking,click]", out=tmp_path / "run")


def test_search_without_queries_is_refused(plain: list[str], shop_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="learns from queries, and the data have none"):
        mmrec.train(*plain, f"data.path={shop_folder}", out=tmp_path / "run")
