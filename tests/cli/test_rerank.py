"""`mmrec recommend rerank=…` and `mmrec evaluate rerank=…` on a real small run."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from omegaconf import DictConfig

import mmrec
import mmrec.rerank
from mmrec.cli.evaluate import evaluate
from mmrec.cli.recommend import recommend
from mmrec.cli.train import train
from mmrec.config.check import check
from mmrec.errors import ConfigError
from mmrec.experiment.run.frontier import mark_chosen
from mmrec.schemas import RecommendConfig

Compose = Callable[..., DictConfig]


@pytest.fixture(scope="module")
def run_dir(compose: Compose, shop_overrides: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "one"
    return train(compose(*shop_overrides, "baselines=none", "trainer.max_epochs=1", f"run_dir={folder}"))


def recommended(compose: Compose, run_dir: Path, *words: str) -> list[str]:
    return recommend(compose(f"run={run_dir}", "user=u3", "k=6", *words, name="recommend"))["item_id"].to_list()


def test_lists_change_with_the_trade_off_and_with_every_similarity(compose: Compose, run_dir: Path) -> None:
    unchanged = recommended(compose, run_dir)
    assert recommended(compose, run_dir, "rerank=dpp", "rerank.dpp.trade_off=0") == unchanged
    for similarity in ("fused", "text", "image", "kg"):
        found = recommended(compose, run_dir, "rerank=dpp", "rerank.dpp.trade_off=0.95", f"rerank.dpp.similarity={similarity}")
        assert len(set(found)) == 6 and found != unchanged
    python = mmrec.open_run(run_dir).recommend("u3", 6, rerank=mmrec.rerank.DPP(0.95, similarity="text"))["item_id"].to_list()
    assert python == recommended(compose, run_dir, "rerank=dpp", "rerank.dpp.trade_off=0.95", "rerank.dpp.similarity=text")


def test_a_cap_after_another_method_holds(compose: Compose, run_dir: Path) -> None:
    found = recommended(compose, run_dir, "rerank=[mmr,capped]", "rerank.capped.column=genre", "rerank.capped.at_most=2")
    kinds = [int(item[1:]) // 20 for item in found]
    assert sorted(kinds) == [0, 0, 1, 1]


def test_users_outside_the_run_are_reranked_by_their_history(run_dir: Path) -> None:
    found = mmrec.open_run(run_dir).recommend(histories=[["i1", "i2"]], k=4, rerank=mmrec.rerank.Calibrated("genre", trade_off=0.9))
    assert len(found) == 4 and all(int(item[1:]) < 20 for item in found["item_id"])


def test_the_frontier_is_measured_for_each_trade_off(compose: Compose, run_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("rerank=[mmr,dpp,calibrated]", "rerank.trade_offs=[0.5,1.0]", "rerank.max_loss=0.1")
    chosen = evaluate(compose(f"run={run_dir}", *words, name="evaluate"))
    table = pl.read_csv(run_dir / "rerank.csv")
    assert table.select("method", "trade_off").rows() == [(m, t) for m in ("mmr", "dpp", "calibrated") for t in (0.0, 0.5, 1.0)]
    assert table.filter(trade_off=0.0)["test/ndcg@10"].n_unique() == 1 and table["is_chosen"].sum() == 3
    reported = mmrec.open_run(run_dir).metrics.filter(model="fusion", metric="test/ndcg@10")["mean"][0]
    assert table["test/ndcg@10"][0] == pytest.approx(reported, abs=1e-6)
    by_method = {one["method"][0]: one for one in table.partition_by("method")}
    for method, measure, sign in (("mmr", "distance_fused", 1), ("dpp", "distance_fused", 1), ("calibrated", "miscalibration_genre", -1)):
        values = by_method[method][f"test/{measure}@10"]
        assert sign * (values[2] - values[0]) > 0
    kept = table.filter("is_chosen")
    assert chosen["dpp/test/ndcg@10"] == pytest.approx(kept.filter(method="dpp")["test/ndcg@10"][0])
    assert "rerank.csv" in capsys.readouterr().err
    again = mmrec.evaluate(run_dir, *words)
    assert again.columns == table.columns and again["val/ndcg@10"].to_list() == pytest.approx(table["val/ndcg@10"].to_list())


def test_the_largest_trade_off_with_an_acceptable_loss_is_chosen() -> None:
    rows = {"method": ["a"] * 3 + ["b"] * 3 + ["c"], "trade_off": [0.0, 0.3, 0.6] * 2 + [None], "m": [1.0, 0.99, 0.9, 0.5, 0.4, 0.495, 1.0]}
    assert mark_chosen(pl.DataFrame(rows), "m", 0.02)["is_chosen"].to_list() == [False, True, False, False, False, True, False]


def test_what_the_items_lack_is_named_with_the_nearest(compose: Compose, run_dir: Path) -> None:
    with pytest.raises(ConfigError, match="rerank: the items have no column `genr`; did you mean `genre`"):
        recommended(compose, run_dir, "rerank=calibrated", "rerank.calibrated.column=genr")
    with pytest.raises(ConfigError, match="rerank: expected a similarity that the items have, found `txt`; did you mean `text`"):
        recommended(compose, run_dir, "rerank=mmr", "rerank.mmr.similarity=txt")


def test_a_trade_off_is_a_share(compose: Compose) -> None:
    with pytest.raises(ConfigError, match=r"rerank.dpp.trade_off: expected at least 0 and at most 1, found 1.5"):
        check(compose("run=x", "user=1", "rerank=dpp", "rerank.dpp.trade_off=1.5", name="recommend"), RecommendConfig)


def test_an_unknown_method_ends_with_one_line_and_code_2() -> None:
    command = [sys.executable, "-m", "mmrec.cli.main", "recommend", "run=x", "user=1", "rerank=dpx"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and done.stderr == "mmrec: rerank: there is no choice `dpx`; did you mean `dpp`?\n"
