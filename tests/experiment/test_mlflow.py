"""logger=mlflow: a run for each seed, with its curves, in a SQLite file of the run folder."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from omegaconf import DictConfig

from mmrec.cli.train import train


@pytest.mark.thorough
@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")
def test_every_seed_is_a_run_with_its_curves(
    compose: Callable[..., DictConfig], shop_overrides: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = [word for word in shop_overrides if not word.startswith("logger=")]
    train(compose(*words, "logger=mlflow", "n_seeds=2", "trainer.max_epochs=2", "baselines=none", f"run_dir={tmp_path / 'run'}"))
    with closing(sqlite3.connect(tmp_path / "run" / "logs" / "mlflow.db")) as store:
        runs = dict(store.execute("select name, status from runs"))
        curves = list(store.execute("select key, step from metrics where key = 'val/ndcg20'"))
    assert len(runs) == 2 and set(runs.values()) == {"FINISHED"}
    assert len(curves) == 4
    assert "mlflow" not in capfd.readouterr().err.lower()
