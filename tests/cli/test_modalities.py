"""Whole runs with features made elsewhere, and with facts that became known too late."""

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from omegaconf import DictConfig
from safetensors.torch import load_file, save_file

from mmrec.cli.evaluate import evaluate
from mmrec.cli.recommend import recommend
from mmrec.cli.train import train
from mmrec.config.build import build
from mmrec.config.settings import evidence_settings
from mmrec.errors import ConfigError, DataError
from mmrec.experiment.evidence import load_evidence
from mmrec.types import Features

Compose = Callable[..., DictConfig]
FILES = "{audio: audio.npy, video: clips/video.parquet, smell: smell.safetensors, text: text.npy}"
HAVE = {"text": 40, "audio": 30, "video": 38, "smell": 40}


@pytest.fixture(scope="module")
def folder(shop_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small shop with four kinds of vectors; the audio tells lamps from chairs, and the last ten items have none."""
    folder = tmp_path_factory.mktemp("vectors") / "shop"
    shutil.copytree(shop_folder, folder)
    rng, ids = np.random.default_rng(0), [f"i{item}" for item in range(40)]
    kind = np.repeat([[1.0], [-1.0]], 20, axis=0) + 0.1 * rng.standard_normal((40, 3))
    np.save(folder / "audio.npy", kind[:30])
    (folder / "audio_ids.txt").write_text("\n".join(ids[:30]))
    np.save(folder / "text.npy", rng.standard_normal((40, 5)))
    (folder / "text_ids.csv").write_text("item_id\n" + "\n".join(ids))
    save_file({"values": torch.from_numpy(rng.standard_normal((40, 4)))}, folder / "smell.safetensors")
    (folder / "smell_ids.csv").write_text("item_id\n" + "\n".join(ids))
    (folder / "clips").mkdir()
    clips = [None if item < 2 else rng.standard_normal(2).tolist() for item in range(40)]
    pl.DataFrame({"item_id": ids, "vector": clips}).write_parquet(folder / "clips" / "video.parquet")
    return folder


@pytest.fixture(scope="module")
def overrides(folder: Path, shop_overrides: list[str]) -> list[str]:
    return [*shop_overrides, f"data.path={folder}", f"+data.features={FILES}", "evidence.image=false", "~baselines", "trainer.max_epochs=1"]


@pytest.fixture(scope="module")
def run(compose: Compose, overrides: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(compose(*overrides, "evaluation.report=true", f"run_dir={tmp_path_factory.mktemp('run')}"))


def features(cfg: DictConfig) -> dict[str, Features]:
    return load_evidence(evidence_settings(cfg)).features


def test_every_modality_is_a_token_and_the_encoder_of_texts_is_not_asked(run: Path) -> None:
    mass = pl.read_parquet(run / "attention.parquet").filter(pl.col("weight") > 0)
    tokens = dict(mass.group_by("modality").len().iter_rows())
    assert {name: tokens[name] for name in HAVE} == HAVE
    assert set(tokens) == {*HAVE, "collaborative", "kg"}
    about = json.loads((run / "run.json").read_text())["features"]
    assert list(about) == ["text", "audio", "video", "smell", "kg"]
    assert about["text"]["encoder"] == "precomputed, text.npy"
    assert about["video"] == {"encoder": "precomputed, clips/video.parquet", "present": 38, "total": 40}


def test_each_is_among_the_counterfactuals_and_in_the_report(run: Path) -> None:
    table = pl.read_parquet(run / "counterfactuals.parquet")
    changes = {(name, change) for name in HAVE for change in ("dropped", "shuffled", "noise")}
    assert changes <= set(table.select("modality", "change").iter_rows())
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "audio, shuffled" in page and "<li>Without smell, ndcg@20 " in page and "precomputed, audio.npy" in page


def test_the_run_can_be_evaluated_and_asked(run: Path, compose: Compose) -> None:
    reported = json.loads((run / "metrics.json").read_text())["models"]["fusion"]
    found = evaluate(compose(f"run={run}", name="evaluate"))
    assert found["test/ndcg@20"] == pytest.approx(reported["test/ndcg@20"], abs=1e-6)
    assert len(recommend(compose(f"run={run}", "user=u3", "k=5", name="recommend"))) == 5


def test_other_vectors_are_other_data(run: Path, folder: Path, compose: Compose) -> None:
    kept = (folder / "audio.npy").read_bytes()
    try:
        np.save(folder / "audio.npy", np.load(folder / "audio.npy") + 1)
        with pytest.raises(DataError, match="have changed since"):
            evaluate(compose(f"run={run}", name="evaluate"))
    finally:
        (folder / "audio.npy").write_bytes(kept)


def test_they_are_switched_together_and_text_by_its_own_name(compose: Compose, overrides: list[str]) -> None:
    assert list(features(compose(*overrides))) == list(HAVE)
    assert list(features(compose(*overrides, "ablation=[no_others]"))) == ["text"]
    assert list(features(compose(*overrides, "ablation=[only_others]"))) == ["audio", "video", "smell"]
    assert list(features(compose(*overrides, "ablation=[only_text]"))) == ["text"]
    assert list(features(compose(*overrides, "~data.features.audio"))) == ["text", "video", "smell"]


def test_each_is_switched_by_its_name(compose: Compose, overrides: list[str]) -> None:
    assert list(features(compose(*overrides, "evidence.audio=false"))) == ["text", "video", "smell"]
    assert list(features(compose(*overrides, "ablation=[no_others]", "evidence.smell=true"))) == ["text", "smell"]
    assert features(compose(*overrides, "evidence.audio=noise"))["audio"].encoder == "precomputed, audio.npy, noise"


def test_a_name_that_the_data_do_not_have_is_refused(compose: Compose, overrides: list[str]) -> None:
    with pytest.raises(ConfigError, match=r"^evidence.vidoe: the data have no such evidence; did you mean `video`\?"):
        train(compose(*overrides, "evidence.vidoe=false"))
    with pytest.raises(ConfigError, match=r"^encoders.vidoe: the data have no input of this name, .*; did you mean `video`\?"):
        train(compose(*overrides, "encoders.vidoe={_target_: mmrec.nn.encoders.text.minilm, cache: x, max_length: 9}"))


def test_they_can_be_trained_on_changed(compose: Compose, overrides: list[str]) -> None:
    intact, shuffled = features(compose(*overrides)), features(compose(*overrides, "further_evidence=shuffled"))
    assert shuffled["audio"].encoder == "precomputed, audio.npy, shuffled"
    assert shuffled["audio"].present.equal(intact["audio"].present)
    assert not shuffled["audio"].values.equal(intact["audio"].values)
    assert shuffled["audio"].values.sort(dim=0).values.equal(intact["audio"].values.sort(dim=0).values)
    assert shuffled["text"].values.equal(intact["text"].values)
    with pytest.raises(
        ConfigError, match=r"further_evidence: `rewired` is not a valid value; choose from `false`, `noise`, `shuffled`, `true`"
    ):
        train(compose(*overrides, "further_evidence=rewired"))


def test_a_name_that_torch_keeps_for_itself(compose: Compose, overrides: list[str]) -> None:
    with pytest.raises(ConfigError, match=r"data.features.type: this name is reserved by torch"):
        features(compose(*overrides, "+data.features.type=audio.npy"))


@pytest.mark.parametrize("model", ["vbpr", "bm3", "mgcn", "lattice"])
def test_models_of_the_field_take_them(model: str, compose: Compose, overrides: list[str], tmp_path: Path) -> None:
    run = train(compose(*overrides, f"model={model}", "model.embedding_dim=4", f"run_dir={tmp_path / 'run'}"))
    assert {"text", "audio", "video", "smell"} <= set(json.loads((run / "run.json").read_text())["features"])
    assert load_file(run / "vectors.safetensors")["items"].isfinite().all()


def test_facts_of_the_test_period_are_no_part_of_the_graph(
    compose: Compose, shop_overrides: list[str], shop_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "shop"
    shutil.copytree(shop_folder, folder)
    triples = pl.read_csv(folder / "triples.csv")
    late = pl.DataFrame({"head": ["e0", "e1"], "relation": "also_buy", "tail": "e2"}).with_columns(timestamp=pl.lit(2_000_000_000))
    pl.concat([triples.with_columns(timestamp=pl.lit(None, dtype=pl.Int32)), late]).write_csv(folder / "triples.csv")
    small = [*shop_overrides, f"data.path={folder}", "evidence.image=false", "evidence.text=false"]
    timed, free = (load_evidence(evidence_settings(compose(*small, *more))) for more in (["split=global_time"], []))
    assert timed.graph is not None and free.graph is not None
    assert (timed.graph.n_relations, free.graph.n_relations) == (2, 3)
    assert any(note.startswith("2 of 78 triples became known") and note.endswith("they were left out") for note in timed.notes)
    assert not any("also_buy" in note for note in timed.notes)
    assert any("so they are kept" in note for note in free.notes) and any(
        "the relation `also_buy` looks as if it were counted" in note for note in free.notes
    )


def test_columns_counted_over_all_time_are_told_of(compose: Compose, shop_overrides: list[str], shop_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    shutil.copytree(shop_folder, folder)
    items = pl.read_csv(folder / "items.csv").with_columns(average_rating=pl.lit(4.5), also_buy=pl.lit("i1"))
    items.write_csv(folder / "items.csv")
    small = [*shop_overrides, f"data.path={folder}", "evidence.image=false", "evidence.text=false"]
    notes = load_evidence(evidence_settings(compose(*small, "graph.item_columns=[genre,average_rating]"))).notes
    (note,) = (note for note in notes if "over all time" in note)
    assert "`average_rating`" in note and "graph.item_columns" in note


def test_no_encoder_is_made_for_pictures_that_cannot_be_had(
    folder: Path, tmp_path: Path, compose: Compose, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(folder, tmp_path / "shop")
    items = pl.read_csv(folder / "items.csv").with_columns(pl.format("https://shop.example/{}.png", "item_id").alias("image"))
    items.write_csv(tmp_path / "shop" / "items.csv")

    def build_others(cfg: DictConfig, key: str, **arguments: object) -> object:
        assert key != "encoders.image"
        return build(cfg, key, **arguments)

    monkeypatch.setattr("mmrec.config.settings.build", build_others)
    cfg = compose("data=folder", f"data.path={tmp_path / 'shop'}", "evidence.text=false", f"paths.cache={tmp_path / 'cache'}")
    caplog.set_level(logging.INFO)
    evidence = load_evidence(evidence_settings(cfg))
    assert "image" not in evidence.features
    assert any("data.allow_hosts=[shop.example]" in note for note in evidence.notes)
    assert "no picture of the 40 items with one can be read" in caplog.text


@pytest.fixture(scope="module")
def two_texts_and_pictures(shop_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small shop with a review of most items, one of which cannot be encoded, and a picture of their backs."""
    folder = tmp_path_factory.mktemp("inputs") / "shop"
    shutil.copytree(shop_folder, folder)
    items = pl.read_csv(folder / "items.csv")
    reviews = [None if item % 4 == 3 else ("warm light" if item < 20 else "soft seat") for item in range(40)]
    backs = [None if item % 5 == 4 else "broken.jpg" if item == 0 else f"i{(item + 1) % 8}.jpg" for item in range(40)]
    (folder / "broken.jpg").write_bytes(b"no picture")
    items.with_columns(review=pl.Series(reviews), back_image=pl.Series(backs)).write_csv(folder / "items.csv")
    return folder


def test_any_number_of_encoders_each_a_modality(
    two_texts_and_pictures: Path, compose: Compose, shop_overrides: list[str], tiny_bert: Path, tmp_path: Path
) -> None:
    further = [
        "data.inputs={reviews: {text_columns: [review]}, back: {image_column: back_image}}",
        "+text_encoder@encoders.reviews=bert_base",
    ]
    bert = [f"encoders.reviews.path_or_name={tiny_bert}", "encoders.reviews.revision=null", "encoders.reviews.max_length=32"]
    words = [*shop_overrides, f"data.path={two_texts_and_pictures}", f"+{further[0]}", further[1], *bert, "encoders.reviews.pooling=cls"]
    run = train(compose(*words, "~baselines", "trainer.max_epochs=1", "evaluation.report=true", f"run_dir={tmp_path / 'run'}"))
    about = json.loads((run / "run.json").read_text())
    assert list(about["features"]) == ["text", "image", "reviews", "back", "kg"]
    assert [about["features"][name]["present"] for name in ("text", "reviews", "back")] == [40, 30, 31]
    assert any(note.startswith("item `i0`, back: ") for note in about["data"]["notes"])
    table = pl.read_parquet(run / "counterfactuals.parquet")
    expected = {(name, change) for name in ("reviews", "back") for change in ("dropped", "shuffled", "noise")}
    assert expected <= set(table.select("modality", "change").iter_rows())
    assert "reviews, shuffled" in (run / "report.html").read_text(encoding="utf-8")
    found = features(compose(*words))
    assert not torch.equal(found["reviews"].values[:, :8], found["text"].values)
    assert list(features(compose(*words, "evidence.back=false"))) == ["text", "image", "reviews"]
    assert list(evaluate(compose(f"run={run}", name="evaluate")))


def test_an_input_without_an_encoder_of_its_own_has_that_of_all_texts(
    two_texts_and_pictures: Path, compose: Compose, shop_overrides: list[str]
) -> None:
    inputs = "+data.inputs={reviews: {text_columns: [review]}}"
    found = features(compose(*shop_overrides, f"data.path={two_texts_and_pictures}", inputs, "evidence.image=false"))
    assert list(found) == ["text", "reviews"] and found["reviews"].encoder == found["text"].encoder
