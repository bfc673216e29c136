"""Models of the field in whole runs on the small shop: named by themselves, evaluated again, refused where they lack content."""

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from omegaconf import DictConfig

from mmrec.cli.evaluate import evaluate
from mmrec.cli.recommend import recommend
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
    found = evaluate(compose(f"run={run}", name="evaluate"))
    assert found["test/ndcg@20"] == pytest.approx(reported[model]["test/ndcg@20"])


@pytest.mark.parametrize("model", ["ease", "sasrec"])
def test_a_model_without_vectors_is_trained_evaluated_and_asked_like_any_other(
    compose: Compose, shop_overrides: list[str], tmp_path: Path, model: str
) -> None:
    """One in closed form is tuned as it is when it is a baseline, and is not measured twice as one."""
    own = [one for one in shop_overrides if not one.startswith(("model.", "text_encoder", "image_encoder", "encoders."))]
    own += [
        "evidence.text=false",
        "evidence.image=false",
        "baselines=[popularity,ease]",
        "trainer.max_epochs=1",
        "evaluation.report=true",
        f"run_dir={tmp_path / 'run'}",
    ]
    run = train(compose(*own, f"model={model}"))
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    assert list(metrics["models"]) == [model, "popularity"] + ([] if model == "ease" else ["ease"])
    assert metrics["tuned"]["ease"]["n_trials"] == 11
    assert (run / "report.html").is_file() and not (run / "vectors.safetensors").exists()
    found = evaluate(compose(f"run={run}", name="evaluate"))
    assert found["test/ndcg@20"] == pytest.approx(metrics["models"][model]["test/ndcg@20"])
    user = pl.read_parquet(run / "recommendations.parquet")["user_id"][0]
    best = recommend(compose(f"run={run}", f"user={user}", "k=3", name="recommend"))
    assert len(best) == 3 and best["score"].is_sorted(descending=True)


def test_evidence_of_interactions_cannot_be_left_out(compose: Compose, shop_overrides: list[str], tmp_path: Path) -> None:
    own = [one for one in shop_overrides if not one.startswith("model.")]
    with pytest.raises(ConfigError, match=r"^evidence\.collaborative: this model learns from interactions"):
        train(compose(*own, "model=ease", "evidence.collaborative=false", f"run_dir={tmp_path / 'run'}"))


def test_a_lack_of_content_is_said(compose: Compose, shop_overrides: list[str], tmp_path: Path) -> None:
    overrides = ["model=freedom", "~baselines", "evidence.text=false", "evidence.image=false", f"run_dir={tmp_path / 'run'}"]
    with pytest.raises(ConfigError, match=r"^model: freedom needs items with text, pictures or other features"):
        train(compose(*shop_overrides, *overrides))
