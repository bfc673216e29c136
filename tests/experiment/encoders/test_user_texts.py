"""Texts about users from the command line: trained with, measured, evaluated again, resumed and told apart; and what is refused."""

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from omegaconf import DictConfig

import mmrec
from mmrec.cli.evaluate import evaluate
from mmrec.cli.train import train
from mmrec.errors import ConfigError
from tests.nn.encoders.tiny_transformers import make_encoder

Compose = Callable[..., DictConfig]
SMALL = ["~baselines", "linear=none", "trend=none", "evidence.image=false", "evidence.kg=false", "evaluation.auc=false"]
TUNED = ["tune.text=lora", "tune.max_items_per_step=24", "tune.rank=2", "tune.lr=0.02"]


@pytest.fixture(scope="module")
def words(shop_overrides: list[str], tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What trains on the small shop with a tiny encoder of three layers and a cache of its own."""
    folder = tmp_path_factory.mktemp("three_layers")
    make_encoder(folder)
    left = [word for word in shop_overrides if not word.startswith(("paths.cache", "encoders.text.path_or_name"))]
    return [*left, *SMALL, f"encoders.text.path_or_name={folder}", f"paths.cache={tmp_path_factory.mktemp('cache')}"]


def metrics_of(run: Path) -> dict[str, float]:
    found: dict[str, float] = next(iter(json.loads((run / "metrics.json").read_text())["models"].values()))
    return found


def without_model(words: list[str]) -> list[str]:
    """The overrides but for those of the fusion model."""
    return [word for word in words if not word.startswith("model.")]


@pytest.mark.slow
def test_fusion_takes_them_tunes_their_encoder_and_says_what_they_are_worth(compose: Compose, words: list[str], tmp_path: Path) -> None:
    run = train(compose(*words, *TUNED, "evidence.user_text=true", "trainer.max_epochs=1", f"run_dir={tmp_path / 'run'}"))
    table = pl.read_parquet(run / "counterfactuals.parquet").filter(pl.col("modality") == "user_text")
    assert set(table["change"]) == {"dropped", "shuffled", "noise"}
    assert json.loads((run / "run.json").read_text())["tuned_encoders"]["text"]["encoded"] % 24 == 0
    assert evaluate(compose(f"run={run}", words[-1], name="evaluate")) is not None
    assert len(mmrec.open_run(run).recommend("u0", k=3)) == 3


@pytest.mark.slow
def test_text_cf_tunes_the_encoder_and_a_resumed_run_ends_the_same(compose: Compose, words: list[str], tmp_path: Path) -> None:
    ours = [*without_model(words), "model=text_cf", *TUNED]
    whole = train(compose(*ours, "trainer.max_epochs=2", f"run_dir={tmp_path / 'whole'}"))
    short = train(compose(*ours, "trainer.max_epochs=1", f"run_dir={tmp_path / 'short'}"))
    train(compose(f"resume={short}", "trainer.max_epochs=2", words[-1]))
    records = [json.loads((run / "run.json").read_text()) for run in (whole, short)]
    assert records[0]["weights_sha256"] == records[1]["weights_sha256"]
    assert evaluate(compose(f"run={whole}", words[-1], name="evaluate")) is not None


@pytest.mark.slow
def test_zero_shot_is_a_model_and_a_baseline(compose: Compose, words: list[str], tmp_path: Path) -> None:
    alone = train(compose(*without_model(words), "model=zero_shot_text", f"run_dir={tmp_path / 'alone'}"))
    left = [word for word in without_model(words) if word != "~baselines" and not word.startswith("baselines")]
    beside = train(compose(*left, "model=text_cf", "baselines=few_labels", "train_share=0.5", f"run_dir={tmp_path / 'beside'}"))
    models = json.loads((beside / "metrics.json").read_text())["models"]
    assert {"text_cf", "zero_shot_text", "ease", "popularity", "content_knn_text"} <= set(models)
    assert metrics_of(alone).keys() >= {"test/ndcg@20"}
    n_rows = [pl.read_parquet(run / "split" / "train.parquet").height for run in (alone, beside)]
    assert n_rows[1] == round(0.5 * n_rows[0])


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["evidence.user_text=true", "user_text.template='{{ agee }}'"], r"there is no `agee` among the columns of the users"),
        (
            ["evidence.user_text=true", "user_text.template='{% for a in range(9) %}{% endfor %}'"],
            r"user_text\.template: line 1: calls such",
        ),
        (["evidence.user_text=true", "data.text_columns=[]"], r"evidence\.user_text: expected items with titles"),
        (["evidence.user_text=tru"], r"evidence\.user_text: `tru` is not a valid value"),
        (["model=vbpr", "evidence.user_text=true"], r"evidence\.user_text: VBPR does not use texts about users"),
        (["model=text_cf", "evidence.user_text=false"], r"evidence\.user_text: TextCF needs texts about users"),
        (["train_share=0"], r"train_share: expected above 0 and at most 1, found 0"),
    ],
)
def test_what_is_refused(overrides: list[str], says: str, compose: Compose, words: list[str], tmp_path: Path) -> None:
    ours = without_model(words) if any(word.startswith("model=") for word in overrides) else words
    with pytest.raises(ConfigError, match=says):
        train(compose(*ours, *overrides, f"run_dir={tmp_path / 'run'}"))
