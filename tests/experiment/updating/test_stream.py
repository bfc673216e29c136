"""The three numbers of a stream, and a whole one on the small shop."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import DictConfig

from mmrec.experiment.updating.stream import RETRAINED, UNCHANGED, UPDATED, Step, summarize, table_of


def step(number: int, updated: float, retrained: float, cpu_s: float) -> Step:
    ndcg = {UPDATED: updated, RETRAINED: retrained, UNCHANGED: 0.1}
    return Step(number, ndcg, {UPDATED: 0.2, RETRAINED: 0.3, UNCHANGED: 0.25}, {UPDATED: cpu_s, RETRAINED: 10.0, UNCHANGED: 0.0}, True)


def test_the_summary_is_of_means() -> None:
    found = summarize([step(2, 0.3, 0.4, 1.0), step(3, 0.5, 0.4, 2.0)])
    assert found == pytest.approx((1.0, 0.15, 0.2))


def test_a_row_for_each_step() -> None:
    rows = table_of([step(2, 0.3, 0.4, 1.0), step(3, 0.5, 0.4, 2.0)])
    assert [row["slices"] for row in rows] == ["2", "3"]
    assert rows[0]["next slice"] == "0.3000 / 0.4000 / 0.1000" and rows[1]["CPU s"] == "2 / 10 / 0" and rows[1]["kept"] == "yes"


@pytest.mark.slow
def test_a_board_with_slices_is_a_stream(
    compose: Callable[..., DictConfig], shop_overrides: list[str], shop_folder: Path, tmp_path: Path
) -> None:
    from mmrec.cli.leaderboard import leaderboard

    cfg = compose("board=stream", "board.slices=3", f"output={tmp_path}", shop_overrides[-1], name="leaderboard")
    cfg.board.data = {"shop": ["data=folder", f"data.path={shop_folder}"]}
    cfg.board.overrides = [word for word in shop_overrides if not word.startswith(("data=", "data.path=", "paths."))]
    cfg.board.updates = ["max_epochs=1"]
    assert leaderboard(cfg) == []
    told = json.loads((tmp_path / "stream.json").read_text())["shop fusion seed 2026"]
    assert [one["n_slices"] for one in told["steps"]] == [2] and told["summary"].keys() == {"ndcg_ratio", "cpu_ratio", "fall"}
    assert "full training" in (tmp_path / "stream.md").read_text()
    steps = (tmp_path / "shop" / "fusion" / "2026" / "steps" / "02.json").stat().st_mtime_ns
    leaderboard(cfg)
    assert (tmp_path / "shop" / "fusion" / "2026" / "steps" / "02.json").stat().st_mtime_ns == steps
