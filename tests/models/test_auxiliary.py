"""Auxiliary losses: what they are by hand, that training lowers them, and that they are off unless they have a weight."""

import json
import math
import re
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import torch
from omegaconf import DictConfig

from mmrec.cli.train import train
from mmrec.errors import ConfigError
from mmrec.models.auxiliary import Auxiliary, AuxiliaryLosses, add_auxiliary, auxiliary_of_step, modality_contrast
from mmrec.models.multimodal.fusion import FusionRecommender
from mmrec.types import DatasetSpec
from tests.models.multimodal.test_fusion import DIM, make_model, make_spec


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def make(spec: DatasetSpec | None = None, **settings: float) -> FusionRecommender:
    """The model with the default graph encoder, which has embeddings of relations."""
    torch.manual_seed(0)
    spec = spec or make_spec()
    model = FusionRecommender(spec, embedding_dim=DIM)
    add_auxiliary(model, Auxiliary(**settings), spec.graph)  # type: ignore[arg-type]
    return model


def test_contrast_by_hand() -> None:
    """Two items have text and image, equal within an item and orthogonal between items: each row is a softmax of 1 / 0.5 and 0."""
    tokens = torch.tensor([[[1.0, 0.0], [2.0, 0.0]], [[0.0, 3.0], [0.0, 1.0]], [[5.0, 5.0], [1.0, 0.0]]])
    present = torch.tensor([[True, True], [True, True], [True, False]])
    expected = math.log(math.exp(2) + 1) - 2
    assert modality_contrast(tokens, present, 0.5).item() == pytest.approx(expected)
    third = torch.cat([tokens, torch.randn(3, 1, 2)], dim=1)  # of a modality that one item alone has
    mask = torch.cat([present, torch.tensor([[True], [False], [False]])], dim=1)
    assert modality_contrast(third, mask, 0.5).item() == pytest.approx(expected)
    assert modality_contrast(tokens, torch.zeros_like(present), 0.5).item() == 0


def test_both_losses_fall_in_training_and_reach_the_tokens() -> None:
    model = make(link_prediction=1.0, contrast=1.0, n_triples=16, n_negatives=3)
    optimizer, values = torch.optim.Adam(model.parameters(), lr=0.02), dict[str, list[float]]()
    for _ in range(60):
        model.encode()
        losses = auxiliary_of_step(model, generator())
        for name, value, _ in losses:
            values.setdefault(name, []).append(value.item())
        optimizer.zero_grad()
        sum(value for _, value, _ in losses).backward()  # type: ignore[union-attr]
        optimizer.step()
    assert {name: found[-1] < 0.8 * found[0] for name, found in values.items()} == {"link_prediction": True, "contrast": True}
    assert not auxiliary_of_step(model, generator())  # without another step there is nothing to add


def test_evaluation_and_other_models_have_none_and_nothing_is_in_the_checkpoint() -> None:
    model = make(link_prediction=1.0, contrast=1.0)
    with torch.no_grad():
        model.encode()
    assert not auxiliary_of_step(model, generator())
    plain = make()
    assert not hasattr(plain, "auxiliary") and plain.state_dict().keys() == model.state_dict().keys()


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"auxiliary.contrast: expected a weight of at least 0, found -1"):
        Auxiliary(contrast=-1)
    with pytest.raises(ConfigError, match=r"auxiliary.n_items: expected at least 2, found 1"):
        Auxiliary(n_items=1)
    with pytest.raises(ConfigError, match=r"auxiliary.temperature: expected more than 0"):
        Auxiliary(temperature=0)
    with pytest.raises(ConfigError, match=r"auxiliary.link_prediction: the model has no knowledge graph"):
        make(make_spec(graph=False), link_prediction=0.1)
    with pytest.raises(ConfigError, match=r"auxiliary.link_prediction: EntityTable has no embeddings of relations"):
        AuxiliaryLosses(Auxiliary(link_prediction=0.1), make_model(), make_spec().graph)
    from mmrec.models.collaborative.lightgcn import LightGCNRecommender

    with pytest.raises(ConfigError, match=re.escape("auxiliary.contrast: LightGCNRecommender has no auxiliary losses, only model=fusion")):
        add_auxiliary(LightGCNRecommender(make_spec()), Auxiliary(contrast=0.1), None)


def test_they_are_logged_beside_the_loss(compose: Callable[..., DictConfig], shop_overrides: list[str], tmp_path: Path) -> None:
    more = ["~baselines", "linear=none", "trend=none", "evidence.image=false", "trainer.max_epochs=2"]
    words = [*shop_overrides, *more, "auxiliary.link_prediction=0.1", "auxiliary.contrast=0.1"]
    run = train(compose(*words, f"run_dir={tmp_path / 'run'}"))
    (log,) = run.rglob("metrics.csv")
    curve = pl.read_csv(log)
    assert {"train/loss", "train/link_prediction", "train/contrast"} <= set(curve.columns)
    assert (curve["train/contrast"].drop_nulls() > 0).all() and len(curve["train/link_prediction"].drop_nulls()) == 2
    assert json.loads((run / "metrics.json").read_text())["models"]["fusion"]
