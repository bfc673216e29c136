"""mmrec.experiment.models: what a spec holds of words and literals that are allowed, and that a lift of new items comes back from a run."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import torch
from omegaconf import DictConfig

from mmrec.config.settings import evaluate_settings, train_settings
from mmrec.experiment.evaluate import evaluate
from mmrec.experiment.evidence import load_evidence, make_split
from mmrec.experiment.models import make_data_module, make_spec
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
    few = ["baselines=[random_new_items]", "trainer.max_epochs=2", "evaluation.report=true"]
    overrides = ["model=vbpr", "split=cold_item", *few, f"run_dir={tmp_path / 'run'}"]
    run_dir = train(train_settings(compose(*shop_overrides, *overrides)))
    chosen = json.loads((run_dir / "run.json").read_text(encoding="utf-8"))["chosen"]["2026"]
    assert chosen["new items"]["cold_lift"] > 0
    assert "cold_lift" in (run_dir / "report.html").read_text(encoding="utf-8")
    measured = json.loads((run_dir / "metrics.json").read_text(encoding="utf-8"))["models"]
    assert measured["vbpr"]["test/recall@20"] > 0
    assert not evaluate(evaluate_settings(compose(f"run={run_dir}", shop_overrides[-1], name="evaluate"))).differing


@pytest.fixture
def literal_shop(shop_folder: Path, tmp_path: Path) -> Path:
    """The small shop whose graph has a year of each entity and a text of one."""
    folder = tmp_path / "literal_shop"
    shutil.copytree(shop_folder, folder)
    triples = pl.read_csv(folder / "triples.csv")
    entities = triples["head"].unique(maintain_order=True)
    years = pl.DataFrame({"head": entities, "relation": "year", "tail": [str(1990 + i) for i in range(len(entities))], "datatype": "gYear"})
    text = pl.DataFrame({"head": ["e0"], "relation": ["slogan"], "tail": ["warm light"], "datatype": ["string"]})
    pl.concat([triples.with_columns(datatype=pl.lit(None, pl.String)), years, text]).write_csv(folder / "triples.csv")
    return folder


def test_literals_are_standardised_by_training_and_texts_encoded_as_those_of_items(
    compose: Compose, shop_overrides: list[str], literal_shop: Path, tmp_path: Path
) -> None:
    cfg = compose(*shop_overrides, f"data.path={literal_shop}", "evidence.image=false", "split=cold_item", f"run_dir={tmp_path / 'run'}")
    settings = train_settings(cfg)
    evidence = load_evidence(settings.evidence)
    make_split(settings.evidence, evidence, tmp_path / "split")
    training = settings.training(1)
    data = make_data_module(training, evidence, tmp_path / "split")
    data.setup("fit")
    spec = make_spec(evidence, data)
    assert evidence.graph is not None and spec.graph is not None and spec.graph.literals is not None
    raw, literals = evidence.graph.literals, spec.graph.literals
    assert raw is not None and raw.values[:, 0].unique().numel() == len(literals.entity_idx) == 38
    item_of = {int(entity): item for item, entity in enumerate(spec.graph.item_entity) if entity >= 0}
    known = torch.isin(torch.tensor([item_of[int(entity)] for entity in literals.entity_idx]), spec.train.item_idx)
    assert (~known).sum() > 0 and literals.values[known, 0].mean().abs() < 1e-6
    assert literals.present.sum(dim=0).tolist() == [38, 1] and literals.values.shape == (38, 1 + 8)
    assert len(spec.graph.entities) == 38 + 2 + 6


def test_without_a_text_encoder_text_literals_are_left_out_in_one_sentence(
    compose: Compose, shop_overrides: list[str], literal_shop: Path
) -> None:
    cfg = compose(*shop_overrides, f"data.path={literal_shop}", "evidence.image=false", "evidence.text=false")
    evidence = load_evidence(train_settings(cfg).evidence)
    assert evidence.graph is not None and evidence.graph.literals is not None and evidence.graph.literals.values.shape[1] == 1
    assert [note for note in evidence.notes if "left out" in note] == [
        "text literals are left out, 1 entities have some: no text encoder is in use for texts of the items"
    ]


def test_a_model_trains_on_literals_and_its_run_says_so(
    compose: Compose, shop_overrides: list[str], literal_shop: Path, tmp_path: Path
) -> None:
    cfg = compose(*shop_overrides, f"data.path={literal_shop}", "evidence.image=false", "baselines=none", f"run_dir={tmp_path / 'run'}")
    run_dir = train(train_settings(cfg))
    about = json.loads((run_dir / "run.json").read_text(encoding="utf-8"))
    assert about["features"]["kg"]["encoder"] == "46 entities, 76 triples, literals of 38 entities"
    assert not evaluate(evaluate_settings(compose(f"run={run_dir}", shop_overrides[-1], name="evaluate"))).differing
