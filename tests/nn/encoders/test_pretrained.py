"""Encoders that are trained with a model: from the raw inputs of the items, through `mmrec train`, to a checkpoint that is resumed."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from omegaconf import DictConfig, open_dict

from mmrec.cli.evaluate import evaluate
from mmrec.cli.train import train
from mmrec.config.settings import evidence_settings
from mmrec.data.features.counterfactual import change_spec
from mmrec.experiment.evidence import Evidence, load_evidence
from mmrec.experiment.run_folder.files import checkpoint_folder
from mmrec.files.checkpoint import read_checkpoint
from mmrec.nn.encoders.text import BertTextEncoder
from mmrec.types import DatasetSpec

Compose = Callable[..., DictConfig]
SMALL = ["data_module.n_negatives=16", "data_module.shared_negatives=true", "linear=none", "trend=none", "~baselines", "n_seeds=1"]


def configured(compose: Compose, *overrides: str) -> DictConfig:
    cfg = compose(*overrides, *SMALL, "trusted_packages=[tests]")
    with open_dict(cfg):
        cfg.model = {"_target_": "tests.nn.encoders.trained_items.EncodedItems", "_partial_": True, "name": "encoded"}
        cfg.task.groups = {"encoders": {"lr": 0.001}}
    return cfg


@pytest.fixture(scope="module")
def evidence(compose: Compose, shop_overrides: list[str]) -> Evidence:
    return load_evidence(evidence_settings(compose(*shop_overrides)))


def spec_of(evidence: Evidence) -> DatasetSpec:
    train = evidence.index.interactions(evidence.dataset.interactions)
    return DatasetSpec(evidence.index.n_users, evidence.index.n_items, train, evidence.features, None, evidence.inputs)


def test_what_is_encoded_in_a_step_is_what_was_extracted(evidence: Evidence) -> None:
    assert list(evidence.inputs) == ["text", "image"]
    for name, inputs in evidence.inputs.items():
        features, network = evidence.features[name], inputs.encoder.network()
        assert network.training and all(one.requires_grad for one in network.parameters())
        known = inputs.present.nonzero().squeeze(1)
        assert inputs.present.equal(features.present)
        with torch.no_grad():
            found = network.eval()(inputs.take(known))
        torch.testing.assert_close(found, features.values[known], rtol=1e-4, atol=1e-5)


def test_nothing_is_prepared_before_it_is_asked_for_and_pictures_are_not_kept(evidence: Evidence, monkeypatch: pytest.MonkeyPatch) -> None:
    text, image = evidence.inputs["text"], evidence.inputs["image"]
    asked: list[int] = []
    prepare = image.encoder.prepare
    monkeypatch.setattr(image.encoder, "prepare", lambda raw: asked.append(len(raw)) or prepare(raw))
    spec_of(evidence)
    assert not asked
    item = image.present.nonzero()[0]
    for _ in range(2):
        (picture,) = image.take(item)
        assert picture.dtype == torch.uint8
    assert len(asked) == 2
    first, second = text.take(torch.tensor([1, 0])), text.take(torch.tensor([0]))
    assert first[1].equal(second[0]) and first[0].dtype == torch.int64
    with pytest.raises(ValueError, match="has none"):
        image.take((~image.present).nonzero()[0])


@pytest.mark.parametrize("change", ["shuffled", "noise"])
def test_changed_evidence_changes_the_inputs_too(change: str, evidence: Evidence) -> None:
    spec = spec_of(evidence)
    changed = change_spec(spec, "image", change, seed=3)
    inputs, network = changed.item_inputs["image"], evidence.inputs["image"].encoder.network()
    assert inputs.present.equal(spec.features["image"].present)
    known = inputs.present.nonzero().squeeze(1)
    with torch.no_grad():
        found = network.eval()(inputs.take(known))
    assert not torch.allclose(found, spec.features["image"].values[known], atol=1e-3)
    if change == "shuffled":
        torch.testing.assert_close(found, changed.features["image"].values[known], rtol=1e-4, atol=1e-5)
    assert changed.item_inputs["text"] is spec.item_inputs["text"]


def test_evidence_that_is_not_allowed_or_made_elsewhere_has_no_inputs(compose: Compose, shop_overrides: list[str]) -> None:
    assert list(load_evidence(evidence_settings(compose(*shop_overrides, "evidence.text=false"))).inputs) == ["image"]


def test_encoders_learn_in_their_own_group_and_a_checkpoint_resumes(
    compose: Compose, shop_overrides: list[str], tiny_bert: Path, tmp_path: Path
) -> None:
    words = [*shop_overrides, "trainer.max_epochs=2"]
    whole = train(configured(compose, *words, f"run_dir={tmp_path / 'whole'}"))
    weights = model_weights(whole)
    before = BertTextEncoder("tiny", str(tiny_bert), None, "mean", 32, True).network().state_dict()
    trained = {name.removeprefix("encoders.text."): value for name, value in weights.items() if name.startswith("encoders.text.")}
    assert trained.keys() == before.keys()
    moved = [name for name, value in trained.items() if not value.equal(before[name])]
    assert any("attention" in name for name in moved) and any("word_embeddings" in name for name in moved)
    groups = read_checkpoint(last_checkpoint(whole))["optimizer_states"][0]["param_groups"]
    assert [group["lr"] for group in groups][-1] == 0.001 and len(groups) == 3

    half = train(configured(compose, *shop_overrides, "trainer.max_epochs=1", f"run_dir={tmp_path / 'half'}"))
    train(compose(f"resume={half}", "trainer.max_epochs=2", "trusted_packages=[tests]"))
    assert all(value.equal(weights[name]) for name, value in model_weights(half).items())
    evaluate(compose(f"run={whole}", "trusted_packages=[tests]", name="evaluate"))


def last_checkpoint(run: Path) -> Path:
    """The newest checkpoint of the only seed."""
    return max(checkpoint_folder(run, 2026).glob("*epoch*"), key=lambda path: path.stat().st_mtime)


def model_weights(run: Path) -> dict[str, torch.Tensor]:
    state = read_checkpoint(last_checkpoint(run))["state_dict"]
    return {name.removeprefix("model."): value for name, value in state.items()}
