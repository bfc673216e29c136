"""`tune.image` from the command line, alone and with `tune.text`: the checkpoint, the adapter, exact resumption, caches, and messages."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import peft
import pytest
import torch
from omegaconf import DictConfig
from safetensors.torch import load_file

import mmrec
from mmrec.cli.evaluate import evaluate
from mmrec.cli.train import train
from mmrec.config.settings import evidence_settings
from mmrec.data.batches.train_batches import TrainBatch
from mmrec.errors import ConfigError
from mmrec.experiment.evidence import load_evidence
from mmrec.experiment.run_folder.files import checkpoint_folder
from mmrec.files.checkpoint import read_checkpoint
from mmrec.nn.encoders.image import ClipImageEncoder
from mmrec.tasks.ranking import RankingTask
from tests.nn.encoders.tiny_clip_models import small_clip

Compose = Callable[..., DictConfig]
SMALL = ["~baselines", "linear=none", "trend=none", "evidence.kg=false", "evaluation.auc=false"]
TUNED = ["tune.max_items_per_step=12", "tune.n_layers=1", "tune.rank=2", "tune.lr=0.02", "trainer.max_epochs=2", "selection.patience=9"]


@pytest.fixture(scope="module")
def words(shop_overrides: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """What trains on the small shop with a vision transformer of three layers and a cache of its own."""
    with small_clip() as name:
        left = [word for word in shop_overrides if not word.startswith(("paths.cache", "image_encoder"))]
        encoder = ["image_encoder=clip", f"encoders.image.architecture={name}", "encoders.image.revision=null"]
        yield [*left, *encoder, *SMALL, *TUNED, f"paths.cache={tmp_path_factory.mktemp('cache')}"]


def cache_of(words: list[str]) -> Path:
    """The folder of caches."""
    return Path(words[-1].partition("=")[2])


def state_of(run: Path) -> dict[str, torch.Tensor]:
    """The weights in the newest checkpoint."""
    state: dict[str, torch.Tensor] = read_checkpoint(max(checkpoint_folder(run, 2026).glob("epoch_*")))["state_dict"]
    return state


@pytest.fixture(scope="module")
def run(compose: Compose, words: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that trains both encoders."""
    tuned = ["tune.image=lora", "tune.text=last_n"]
    return train(compose(*words, *tuned, f"run_dir={tmp_path_factory.mktemp('runs') / 'whole'}"))


def test_a_checkpoint_has_the_adapter_and_nothing_else_of_the_encoder(run: Path) -> None:
    names = [name.removeprefix("model.encoders.image.") for name in state_of(run) if "encoders.image" in name]
    adapter = [f"network.model.base_model.model.transformer.resblocks.2.attn.lora_{factor}.default.weight" for factor in "AB"]
    assert sorted(names) == sorted(["centre", "scale", "last", "counts", "is_held", *adapter])
    assert any("encoders.text.network" in name for name in state_of(run))


def test_the_run_tells_of_both_encoders_and_can_be_opened_and_measured(run: Path, compose: Compose, words: list[str]) -> None:
    about = json.loads((run / "run.json").read_text())["tuned_encoders"]
    assert about["image"]["method"] == "lora" and about["text"]["method"] == "last_n"
    assert 0 < about["image"]["trained"] < about["image"]["total"] / 10 and about["image"]["encoded"] and about["image"]["kept"]
    assert len(mmrec.open_run(run).recommend(["u1"], k=3)) == 3
    before = sorted((cache_of(words) / "tuned_features").iterdir())
    assert len(before) == 2
    found = evaluate(compose(f"run={run}", f"paths.cache={cache_of(words)}", name="evaluate"))
    reported = json.loads((run / "metrics.json").read_text())["models"]["fusion"]
    assert found["test/ndcg@20"] == pytest.approx(reported["test/ndcg@20"], abs=1e-6)
    assert sorted((cache_of(words) / "tuned_features").iterdir()) == before


def test_the_adapter_merged_into_the_encoder_gives_the_cached_features(run: Path, compose: Compose, words: list[str]) -> None:
    inputs = load_evidence(evidence_settings(compose(*words))).inputs["image"]
    assert isinstance(inputs.encoder, ClipImageEncoder)
    network = inputs.encoder.network()
    network.model = peft.PeftModel.from_pretrained(network.model, str(run / "adapters" / "seed_2026" / "image")).merge_and_unload()
    items = inputs.present.nonzero().squeeze(1)
    state = read_checkpoint(
        checkpoint_folder(run, 2026) / json.loads((checkpoint_folder(run, 2026) / "best.json").read_text())["checkpoint"]
    )
    centre, scale = (state["state_dict"][f"model.encoders.image.{name}"] for name in ("centre", "scale"))
    with torch.no_grad():
        expected = (network.eval()(inputs.take(items)) - centre) / scale
    cached = [load_file(path)["values"] for path in (cache_of(words) / "tuned_features").iterdir()]
    (found,) = (one for one in cached if one.shape[1] == expected.shape[1])
    torch.testing.assert_close(found[items], expected, atol=1e-4, rtol=1e-5)
    frozen = torch.cat(
        [load_file(path)["values"] for path in (cache_of(words) / "features").glob("*/*") if load_file(path)["values"].shape[1] == 12]
    )
    assert (torch.cdist(found[items], (frozen - centre) / scale).min(dim=1).values > 1e-3).all()


@pytest.mark.slow
@pytest.mark.parametrize("method", ["lora", "full"])
def test_resumed_equals_uninterrupted_to_the_bit(
    method: str, compose: Compose, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = [f"tune.image={method}", "evidence.text=false", "checkpoint.every_n_steps=1", f"paths.cache={tmp_path / 'cache'}"]
    whole = train(compose(*words, *more, f"run_dir={tmp_path / 'whole'}"))
    loss_of, calls = RankingTask.loss_of, iter(range(99))

    def until_the_sixth(self: RankingTask, batch: TrainBatch, generator: torch.Generator) -> torch.Tensor:
        if next(calls) == 5:
            raise RuntimeError("power cut")
        return loss_of(self, batch, generator)

    stopped = compose(*words, *more, f"run_dir={tmp_path / 'stopped'}")
    with monkeypatch.context() as patch:
        patch.setattr(RankingTask, "loss_of", until_the_sixth)
        with pytest.raises(RuntimeError, match="power cut"):
            train(stopped)
    train(compose(f"resume={tmp_path / 'stopped'}", f"paths.cache={tmp_path / 'cache'}"))
    expected, found = state_of(whole), state_of(tmp_path / "stopped")
    assert expected.keys() == found.keys() and all(value.equal(found[name]) for name, value in expected.items())
    assert expected["model.encoders.image.counts"].any()


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (["tune.image=lorra"], "tune.image: `lorra` is no way to tune an encoder; did you mean `lora`"),
        (["tune.image=lora", "evidence.image=false"], "tune.image: lora trains the image encoder, which evidence.image=false leaves out"),
        (["tune.image=last_n", "model=vbpr"], "tune.image: VBPR does not train encoders, only model=fusion does"),
        (["tune.image=lora", "tune.image_modules=[out_proj]"], "tune.image_modules: an update of `out_proj` alone would have no effect"),
        (["tune.image=lora", 'data.image_column="photos/{item_id}.png"'], "tune.image: no item has a picture to train on"),
    ],
)
def test_what_cannot_be_is_refused_by_name(asked: list[str], message: str, compose: Compose, words: list[str], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        train(compose(*words, *asked, f"run_dir={tmp_path / 'run'}"))


def test_a_model_of_texts_alone_refuses_pictures(compose: Compose, words: list[str], tmp_path: Path) -> None:
    left = [word for word in words if not word.startswith("model.")]
    more = ["model=text_cf", "evidence.user_text=true", "tune.image=lora", f"run_dir={tmp_path / 'run'}"]
    with pytest.raises(ConfigError, match=r"tune.image: TextCF trains the encoders of text, not of image; leave it none"):
        train(compose(*left, *more))
