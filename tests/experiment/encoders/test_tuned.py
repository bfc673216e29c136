"""`tune.text` from the command line: the run folder, its checkpoint and adapter, exact resumption, caches, and messages."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from omegaconf import DictConfig
from safetensors.torch import load_file

import mmrec
from mmrec.cli.evaluate import evaluate
from mmrec.cli.train import train
from mmrec.config.settings import evidence_settings
from mmrec.data.batches.train_batches import TrainBatch
from mmrec.errors import ConfigError, DamagedCheckpoint, MissingExtra
from mmrec.experiment.evidence import load_evidence
from mmrec.experiment.run_folder.files import checkpoint_folder
from mmrec.files.checkpoint import read_checkpoint
from mmrec.tasks.ranking import RankingTask
from tests.nn.encoders.tiny_transformers import make_encoder

Compose = Callable[..., DictConfig]
SMALL = ["~baselines", "linear=none", "trend=none", "evidence.image=false", "evidence.kg=false", "evaluation.auc=false"]
TUNED = ["tune.max_items_per_step=12", "tune.rank=2", "tune.lr=0.02", "trainer.max_epochs=3", "selection.patience=9"]


@pytest.fixture(scope="module")
def words(shop_overrides: list[str], tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What trains on the small shop with a tiny encoder of three layers and a cache of its own."""
    folder = tmp_path_factory.mktemp("three_layers")
    make_encoder(folder)
    left = [word for word in shop_overrides if not word.startswith(("paths.cache", "encoders.text.path_or_name"))]
    cache = f"paths.cache={tmp_path_factory.mktemp('cache')}"
    return [*left, *SMALL, *TUNED, f"encoders.text.path_or_name={folder}", cache]


def cache_of(words: list[str]) -> Path:
    """The folder of caches."""
    return Path(words[-1].partition("=")[2])


def state_of(run: Path) -> dict[str, torch.Tensor]:
    """The weights in the newest checkpoint."""
    state: dict[str, torch.Tensor] = read_checkpoint(max(checkpoint_folder(run, 2026).glob("epoch_*")))["state_dict"]
    return state


@pytest.fixture(scope="module")
def run(compose: Compose, words: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with LoRA."""
    return train(compose(*words, "tune.text=lora", f"run_dir={tmp_path_factory.mktemp('runs') / 'whole'}"))


def test_a_checkpoint_has_the_adapter_and_nothing_else_of_the_encoder(run: Path) -> None:
    names = [name.removeprefix("model.encoders.text.") for name in state_of(run) if "encoders" in name]
    assert sorted(names) == sorted(
        [
            *("centre", "scale", "last", "counts", "is_held"),
            *(
                f"network.model.base_model.model.encoder.layer.{layer}.attention.self.{part}.lora_{factor}.default.weight"
                for layer in (1, 2)
                for part in ("query", "value")
                for factor in "AB"
            ),
        ]
    )


def test_the_record_says_how_many_items_kept_their_vectors(run: Path) -> None:
    tuned = json.loads((run / "run.json").read_text())["tuned_encoders"]["text"]
    assert tuned["method"] == "lora" and tuned["trained"] == 2 * 2 * 2 * 2 * 16 < tuned["total"]
    assert tuned["encoded"] % 12 == 0 and tuned["encoded"] > 0 and tuned["kept"] > tuned["encoded"]


def test_the_adapter_in_the_run_is_that_of_the_model(run: Path, compose: Compose, words: list[str]) -> None:
    peft = pytest.importorskip("peft")
    inputs = load_evidence(evidence_settings(compose(*words))).inputs["text"]
    text = inputs.encoder.network().eval()  # type: ignore[attr-defined]
    text.model = peft.PeftModel.from_pretrained(text.model, str(run / "adapters" / "seed_2026" / "text")).merge_and_unload()
    folder = checkpoint_folder(run, 2026)
    best = read_checkpoint(folder / json.loads((folder / "best.json").read_text())["checkpoint"])["state_dict"]
    with torch.no_grad():
        vectors = text(inputs.take(torch.arange(len(inputs.present))))
    (cached,) = (cache_of(words) / "tuned_features").iterdir()
    expected = (vectors - best["model.encoders.text.centre"]) / best["model.encoders.text.scale"]
    torch.testing.assert_close(load_file(cached)["values"], expected, atol=1e-4, rtol=1e-5)


def test_a_run_is_opened_and_measured_again_from_its_folder_and_its_data(run: Path, compose: Compose, words: list[str]) -> None:
    opened = mmrec.open_run(run)
    assert len(opened.recommend(["u1"], k=3)) == 3
    cache = cache_of(words)
    (before,) = (cache / "tuned_features").iterdir()
    evaluate(compose(f"run={run}", f"paths.cache={cache}", name="evaluate"))
    assert [*(cache / "tuned_features").iterdir()] == [before]
    shutil.rmtree(cache / "tuned_features")
    evaluate(compose(f"run={run}", f"paths.cache={cache}", name="evaluate"))
    assert [path.name for path in (cache / "tuned_features").iterdir()] == [before.name]


def test_frozen_features_never_stand_for_tuned_ones(run: Path, words: list[str]) -> None:
    cache = cache_of(words)
    frozen = [load_file(path)["values"] for path in (cache / "features").glob("*/*.safetensors")]
    (tuned,) = (load_file(path)["values"] for path in (cache / "tuned_features").iterdir())
    weights = state_of(run)
    centre, scale = weights["model.encoders.text.centre"], weights["model.encoders.text.scale"]
    distances = torch.cdist(tuned, (torch.cat(frozen) - centre) / scale).min(dim=1).values
    assert (distances > 1e-3).all()


@pytest.mark.slow
@pytest.mark.parametrize("method", ["lora", "adalora"])
def test_resumed_equals_uninterrupted_to_the_bit(
    method: str, compose: Compose, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = ["tune.frozen_epochs=1", "tune.warmup_steps=6", "checkpoint.every_n_steps=1", f"paths.cache={tmp_path / 'cache'}"]
    whole = train(compose(*words, f"tune.text={method}", *more, f"run_dir={tmp_path / 'whole'}"))
    loss_of, calls = RankingTask.loss_of, iter(range(99))

    def until_the_seventh(self: RankingTask, batch: TrainBatch, generator: torch.Generator) -> torch.Tensor:
        if next(calls) == 6:
            raise RuntimeError("power cut")
        return loss_of(self, batch, generator)

    stopped = compose(*words, f"tune.text={method}", *more, f"run_dir={tmp_path / 'stopped'}")
    with monkeypatch.context() as patch:
        patch.setattr(RankingTask, "loss_of", until_the_seventh)
        with pytest.raises(RuntimeError, match="power cut"):
            train(stopped)
    train(compose(f"resume={tmp_path / 'stopped'}", f"paths.cache={tmp_path / 'cache'}"))
    expected, found = state_of(whole), state_of(tmp_path / "stopped")
    assert expected.keys() == found.keys() and all(value.equal(found[name]) for name, value in expected.items())
    assert expected["model.encoders.text.counts"].any()


@pytest.mark.slow
def test_two_processes_train_as_one(compose: Compose, words: list[str], tmp_path: Path) -> None:
    common = [*words, "tune.text=lora", "data_module.batch_size=17", "optimizer._target_=torch.optim.SGD", "optimizer.lr=0.005"]
    common += [
        "model.dropout.feature=0",
        "tune.lr=0.002",
        "task.embedding_lr=0.5",
        "trainer.max_epochs=2",
        f"paths.cache={tmp_path / 'cache'}",
        "seed=2027",
    ]
    one = train(compose(*common, f"run_dir={tmp_path / 'one'}"))
    two = ["trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2", "trainer.max_epochs=2", f"run_dir={tmp_path / 'two'}"]
    command = [sys.executable, "-m", "mmrec.cli.main", "train", *common, *two]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    states = [read_checkpoint(max(checkpoint_folder(run, 2027).glob("epoch_*")))["state_dict"] for run in (one, tmp_path / "two")]
    for name in (name for name in states[0] if "encoders" in name and "counts" not in name):
        torch.testing.assert_close(states[1][name], states[0][name], atol=1e-5, rtol=1e-4)
    assert max(float(value.abs().max()) for name, value in states[0].items() if "lora_B" in name) > 1e-5


def test_a_held_encoder_stays_as_it_is(compose: Compose, words: list[str], tmp_path: Path) -> None:
    common = [*words, "trainer.max_epochs=1", f"paths.cache={tmp_path / 'cache'}"]
    held = train(compose(*common, "tune.text=prefix", "tune.frozen_epochs=9", f"run_dir={tmp_path / 'held'}"))
    frozen = train(compose(*common, f"run_dir={tmp_path / 'frozen'}"))
    tuned, plain = (json.loads((path / "metrics.json").read_text())["models"]["fusion"] for path in (held, frozen))
    assert tuned == pytest.approx(plain, abs=1e-6)
    assert json.loads((held / "run.json").read_text())["tuned_encoders"]["text"]["encoded"] == 0


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (["tune.text=lorra"], "tune.text: `lorra` is no way to tune an encoder; did you mean `lora`"),
        (["tune.text=lora", "evidence.text=false"], "tune.text: lora trains the text encoder, which evidence.text=false leaves out"),
        (["tune.text=lora", "tune.layer_decay=2"], "tune.layer_decay: expected above 0 and at most 1, found 2.0"),
        (["tune.text=last_n", "tune.n_layers=4"], "tune.n_layers: the encoder has 3 layers, found 4"),
        (["tune.text=last_n", "model=vbpr"], "tune.text: VBPR does not train encoders, only model=fusion and model=text_cf do"),
        (["tune.text=last_n", "data.text_columns=[]"], "tune.text: no item has a text to train on"),
    ],
)
def test_what_cannot_be_is_refused_by_name(asked: list[str], message: str, compose: Compose, words: list[str], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        train(compose(*words, *asked, f"run_dir={tmp_path / 'run'}"))


@pytest.mark.parametrize("method", ["lora", "adalora"])
def test_without_peft_one_sentence_names_the_extra(
    method: str, compose: Compose, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)  # as if it were not installed
    expected = (
        f"tune.text={method} needs peft, which is not installed: pip install 'mmrec[adapters]', or tune.text=adapters, prefix, last_n"
    )
    with pytest.raises(MissingExtra, match=re.escape(expected)):
        train(compose(*words, f"tune.text={method}", f"run_dir={tmp_path / 'run'}"))


def test_a_checkpoint_of_another_adapter_is_refused(run: Path, compose: Compose, words: list[str], tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(run, other)
    config = (other / "config.yaml").read_text()
    (other / "config.yaml").write_text(config.replace("text: lora", "text: adapters"))
    with pytest.raises(DamagedCheckpoint, match="it has no weights of this model"):
        evaluate(compose(f"run={other}", f"paths.cache={cache_of(words)}", "trust_run=true", name="evaluate"))
