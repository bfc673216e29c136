"""mmrec.experiment.models: what a spec holds of the evidence that is allowed, and that a lift of new items comes back from a run folder."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from omegaconf import DictConfig

from mmrec.config.settings import evaluate_settings, train_settings
from mmrec.experiment.evaluate import evaluate
from mmrec.experiment.evidence import load_evidence
from mmrec.experiment.train import train
from mmrec.types import Words

Compose = Callable[..., DictConfig]


@pytest.fixture
def words_of(compose: Compose, shop_overrides: list[str], tmp_path: Path) -> Callable[[str], Words | None]:
    """The words that a run may use under `evidence.text=…`."""
    others = ("evidence.image=false", "evidence.kg=false", f"run_dir={tmp_path}")
    return lambda text: load_evidence(train_settings(compose(*shop_overrides, *others, f"evidence.text={text}")).evidence).words


def test_words_follow_the_text(words_of: Callable[[str], Words | None]) -> None:
    words, shuffled = words_of("true"), words_of("shuffled")
    assert words is not None and shuffled is not None and words_of("false") is None
    assert torch.equal(words.indices.bincount(), shuffled.indices.bincount()) and not torch.equal(words.indices, shuffled.indices)


def test_a_lift_is_reported_and_comes_back_from_the_run_folder(compose: Compose, shop_overrides: list[str], tmp_path: Path) -> None:
    shop = [one for one in shop_overrides if not one.startswith("model.")]
    cfg = compose(*shop, "model=kernel_ridge", "split=cold_item", "baselines=default", f"run_dir={tmp_path / 'run'}")
    run_dir = train(train_settings(cfg))
    metrics = json.loads((run_dir / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["tuned"]["kernel_ridge"]["cold_lift"] > 0
    assert "random_new_items" in metrics["models"] and metrics["models"]["random_new_items"]["test/recall@20"] > 0
    assert not evaluate(evaluate_settings(compose(f"run={run_dir}", shop_overrides[-1], name="evaluate"))).differing


def test_a_model_that_learns_by_gradient_lifts_new_items_too(compose: Compose, shop_overrides: list[str], tmp_path: Path) -> None:
    overrides = ["model=vbpr", "split=cold_item", "baselines=[random_new_items]", "trainer.max_epochs=2", f"run_dir={tmp_path / 'run'}"]
    run_dir = train(train_settings(compose(*shop_overrides, *overrides)))
    chosen = json.loads((run_dir / "run.json").read_text(encoding="utf-8"))["chosen"]["2026"]
    assert chosen["new items"]["cold_lift"] > 0
    assert "cold_lift" in (run_dir / "report.html").read_text(encoding="utf-8")
    measured = json.loads((run_dir / "metrics.json").read_text(encoding="utf-8"))["models"]
    assert measured["vbpr"]["test/recall@20"] > 0
    assert not evaluate(evaluate_settings(compose(f"run={run_dir}", shop_overrides[-1], name="evaluate"))).differing
