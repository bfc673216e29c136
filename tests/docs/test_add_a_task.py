"""docs/add_a_task.md, followed literally: its task trains, and the epoch with the lowest error is chosen."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.docs.page_steps import follow


@pytest.mark.slow
def test_the_page_gives_a_task_that_trains(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    user, item = np.divmod(draw.permutation(40 * 30)[:800], 30)
    (tmp_path / "shop").mkdir()
    table = pl.DataFrame({"user_id": [f"u{k}" for k in user], "item_id": [f"i{k}" for k in item], "rating": 1 + (user + item) % 5})
    table.write_csv(tmp_path / "shop" / "interactions.csv")
    tested, trained = follow("add_a_task.md", tmp_path)
    assert "2 passed" in tested
    assert "rmse" in trained
    run = tmp_path / "runs" / "stars"
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["lower_is_better"] == ["rmse"]
    best = json.loads((run / "checkpoints" / "seed_2026" / "best.json").read_text())
    by_epoch = pl.read_parquet(run / "curves.parquet").filter(metric="val/rmse")["value"]
    assert (best["metric"], len(by_epoch)) == ("val/rmse", 3)
    assert abs(best["value"] - by_epoch.min()) < 1e-6
    assert by_epoch.max() > by_epoch.min()
