"""Models of the field in whole runs on the small shop: named by themselves, evaluated again, refused where they lack content."""

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from omegaconf import DictConfig, OmegaConf

from mmrec.cli.evaluate import evaluate
from mmrec.cli.train import train
from mmrec.errors import ConfigError

Compose = Callable[..., DictConfig]


@pytest.mark.parametrize("model", ["bm3", "freedom"])
def test_a_model_is_trained_and_evaluated_like_any_other(compose: Compose, shop_overrides: list[str], tmp_path: Path, model: str) -> None:
    overrides = [f"model={model}", "~baselines", "data_module.batch_size=256", "trainer.max_epochs=1", f"run_dir={tmp_path / 'run'}"]
    run = train(compose(*shop_overrides, *overrides))
    reported = json.loads((run / "metrics.json").read_text(encoding="utf-8"))["models"]
    assert json.loads((run / "run.json").read_text(encoding="utf-8"))["model"] == model and list(reported) == [model]
    assert not (run / "attention.parquet").exists() and set(pl.read_parquet(run / "per_user.parquet")["model"]) == {model}
    found = evaluate(OmegaConf.create({"run": str(run), "predictions": None}))
    assert found["test/ndcg@20"] == pytest.approx(reported[model]["test/ndcg@20"])


def test_a_lack_of_content_is_said(compose: Compose, shop_overrides: list[str], tmp_path: Path) -> None:
    overrides = ["model=freedom", "~baselines", "evidence.text=false", "evidence.image=false", f"run_dir={tmp_path / 'run'}"]
    with pytest.raises(ConfigError, match=r"^model: freedom needs items with text, pictures or other features"):
        train(compose(*shop_overrides, *overrides))
