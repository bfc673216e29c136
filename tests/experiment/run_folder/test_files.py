"""A run with one damaged file: every verb that reads the file ends in one message that names it, and none takes what it has for sound."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import torch
from omegaconf import DictConfig
from safetensors.torch import load_file, save_file

from mmrec.cli.compare import compare
from mmrec.cli.evaluate import evaluate
from mmrec.cli.recommend import recommend
from mmrec.cli.train import train
from mmrec.errors import DamagedCheckpoint, MmrecError
from mmrec.experiment.run_folder.origin import remember_run
from mmrec.files.checkpoint import read_checkpoint, write_checkpoint
from mmrec.tasks.checkpoints import checkpoints_in, read_best

Compose = Callable[..., DictConfig]
Damage = Callable[[Path], None]
SMALL = ["evidence.text=false", "evidence.image=false", "evidence.kg=false", "linear=none", "trend=none", "model.embedding_dim=4"]


@pytest.fixture(scope="module")
def sound(compose: Compose, shop_overrides: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose best epoch is the first of three."""
    folder = tmp_path_factory.mktemp("files") / "run"
    more = ["baselines=none", "optimizer.lr=0", "task.embedding_lr=0", "trainer.max_epochs=3", "evaluation.auc=false"]
    run = train(compose(*shop_overrides, *SMALL, *more, f"run_dir={folder}"), ())
    assert read_best(run / "checkpoints" / "seed_2026")["checkpoint"] == "epoch_0001_step_000000"
    return run


@pytest.fixture
def run(sound: Path, tmp_path: Path) -> Path:
    folder = Path(shutil.copytree(sound, tmp_path / "run"))
    config = folder / "config.yaml"
    config.write_text(config.read_text().replace(str(sound), str(folder)))
    remember_run(folder)
    return folder


@pytest.fixture
def verbs(compose: Compose, sound: Path, tmp_path: Path) -> dict[str, Callable[[Path], object]]:
    lists = tmp_path / "lists.csv"
    lists.write_text("user_id,item_id,score\nu1,i1,1\nu2,i2,1\n")
    return {
        "evaluate": lambda run: evaluate(compose(f"run={run}", name="evaluate")),
        "predictions": lambda run: evaluate(compose(f"run={run}", f"predictions={lists}", name="evaluate")),
        "recommend": lambda run: recommend(compose(f"run={run}", "user=u1", name="recommend")),
        "compare": lambda run: compare([str(sound), str(run), "--output", str(tmp_path / "page.html")]),
        "resume": lambda run: train(compose(f"resume={run}"), ()),
    }


def rewrite(name: str, change: Callable[[dict], object]) -> Damage:
    def damage(run: Path) -> None:
        values = json.loads((run / name).read_text())
        change(values)
        (run / name).write_text(json.dumps(values))

    return damage


def cut(name: str) -> Damage:
    """Half of the bytes."""
    return lambda run: (run / name).write_bytes((run / name).read_bytes()[: (run / name).stat().st_size // 2])


def rows(name: str, n: int) -> Damage:
    return lambda run: pl.read_parquet(run / name).head(n).write_parquet(run / name)


def tensors(change: Callable[[dict[str, torch.Tensor]], object]) -> Damage:
    def damage(run: Path) -> None:
        values = {name: value.clone() for name, value in load_file(run / "vectors.safetensors").items()}
        change(values)
        save_file(values, run / "vectors.safetensors")

    return damage


def weights(change: Callable[[dict[str, torch.Tensor]], object], which: int = 0) -> Damage:
    """Of the best checkpoint (0) or the newest (-1), written as mmrec writes it."""

    def damage(run: Path) -> None:
        folder = checkpoints_in(run / "checkpoints" / "seed_2026")[which]
        state = read_checkpoint(folder)
        change(state["state_dict"])
        write_checkpoint(folder, state)

    return damage


def narrow(state: dict[str, torch.Tensor]) -> None:
    name = next(name for name, value in state.items() if value.ndim == 2 and value.is_floating_point())
    state[name] = state[name][:, :2].clone()


CHECKPOINT = "checkpoints/seed_2026/epoch_0001_step_000000"
CASES: dict[str, tuple[Damage, str, tuple[str, ...]]] = {
    "no seeds": (rewrite("run.json", lambda v: v.pop("seeds")), "run.json: expected `seeds`", ("evaluate",)),
    "seeds of text": (rewrite("run.json", lambda v: v.update(seeds=["a"])), "run.json: `seeds`: expected", ("evaluate",)),
    "none of the seeds": (rewrite("run.json", lambda v: v.update(seeds=[])), "run.json: `seeds`: expected one or more", ("evaluate",)),
    "no data": (rewrite("run.json", lambda v: v.pop("data")), "run.json: expected `data`", ("evaluate",)),
    "no hash of the data": (rewrite("run.json", lambda v: v["data"].pop("hash")), "run.json: expected `data.hash`", ("evaluate",)),
    "no model": (rewrite("run.json", lambda v: v.pop("model")), "run.json: expected `model`", ("evaluate", "predictions", "compare")),
    "no split": (rewrite("run.json", lambda v: v.pop("split")), "run.json: expected `split`", ("evaluate", "predictions", "compare")),
    "a list": (lambda run: (run / "run.json").write_text("[]"), "run.json: expected `model`", ("evaluate", "predictions", "compare")),
    "run.json cut": (cut("run.json"), "run.json:", ("evaluate", "predictions", "compare")),
    "metrics.json cut": (cut("metrics.json"), "metrics.json:", ("evaluate", "predictions", "compare")),
    "NaN": (
        rewrite("metrics.json", lambda v: v["models"]["fusion"].update({"test/ndcg@20": float("nan")})),
        "metrics.json: expected JSON: NaN is not a number",
        ("evaluate", "predictions", "compare"),
    ),
    "a number beyond all": (
        lambda run: (run / "metrics.json").write_text('{"models": {"fusion": {"test/ndcg@20": 1e999}}}'),
        "metrics.json: `models.fusion.test/ndcg@20`: expected a number, found `inf`",
        ("evaluate", "predictions", "compare"),
    ),
    "null for a metric": (
        rewrite("metrics.json", lambda v: v["models"]["fusion"].update({"test/ndcg@20": None})),
        "metrics.json: `models.fusion.test/ndcg@20`: expected a number, found `None`",
        ("evaluate", "predictions", "compare"),
    ),
    "no metric": (
        rewrite("metrics.json", lambda v: v["models"]["fusion"].pop("test/ndcg@20")),
        "metrics.json: expected `models.fusion.test/ndcg@20`, found none",
        ("evaluate",),
    ),
    "no models": (rewrite("metrics.json", lambda v: v.clear()), "metrics.json: expected `models`", ("evaluate", "predictions", "compare")),
    "train cut": (
        cut("split/train.parquet"),
        "train.parquet: the table cannot be read",
        ("evaluate", "predictions", "recommend", "resume"),
    ),
    "test cut": (cut("split/test.parquet"), "test.parquet: the table cannot be read", ("evaluate", "predictions", "recommend", "resume")),
    "fewer test rows": (rows("split/test.parquet", 3), "test.parquet", ("evaluate", "predictions", "resume")),
    "items cut": (cut("items.parquet"), "items.parquet: the table cannot be read", ("predictions", "recommend")),
    "fewer items": (rows("items.parquet", 9), "items", ("predictions", "recommend")),
    "fewer users": (rows("users.parquet", 9), "users", ("predictions", "recommend")),
    "per_user cut": (cut("per_user.parquet"), "per_user.parquet: the table cannot be read", ("predictions", "compare")),
    "vectors cut": (cut("vectors.safetensors"), "vectors.safetensors: the vectors cannot be read", ("recommend",)),
    "a vector of NaN": (tensors(lambda v: v["items"][3].fill_(torch.nan)), "vectors.safetensors: `items`: expected finite", ("recommend",)),
    "an infinite vector": (
        tensors(lambda v: v["users"][3].fill_(torch.inf)),
        "vectors.safetensors: `users`: expected finite",
        ("recommend",),
    ),
    "no users": (tensors(lambda v: v.pop("users")), "vectors.safetensors: `users`: expected 60 vectors", ("recommend",)),
    "vectors without a dimension": (
        tensors(lambda v: v.update(items=v["items"][:, 0].clone())),
        "vectors.safetensors: `items`: expected 40 vectors",
        ("recommend",),
    ),
    "shorter vectors": (
        tensors(lambda v: v.update(items=v["items"][:, :2].clone())),
        "vectors.safetensors: expected users and items of one length",
        ("recommend",),
    ),
    "best cut": (cut(f"{CHECKPOINT}/tensors.safetensors"), f"{CHECKPOINT}/tensors.safetensors: expected sha256", ("evaluate",)),
    "other shapes": (weights(narrow), f"{CHECKPOINT}: it has no weights of this model: ", ("evaluate",)),
    "an extra key": (weights(lambda state: state.update(extra=torch.zeros(1))), f"{CHECKPOINT}: it has no weights", ("evaluate",)),
    "a missing key": (weights(lambda state: state.pop(next(iter(state)))), f"{CHECKPOINT}: it has no weights", ("evaluate",)),
    "best.json cut": (cut("checkpoints/seed_2026/best.json"), "best.json: expected JSON", ("evaluate",)),
    "a path for the best": (
        lambda run: (run / "checkpoints/seed_2026/best.json").write_text(json.dumps({"checkpoint": str(run / "split")})),
        "best.json: checkpoint: expected one in this folder",
        ("evaluate",),
    ),
    "best.json of a list": (
        lambda run: (run / "checkpoints/seed_2026/best.json").write_text("[]"),
        "best.json: checkpoint: expected one in this folder",
        ("evaluate",),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_damaged_file_is_named_in_one_message(case: str, run: Path, verbs: dict[str, Callable[[Path], object]]) -> None:
    damage, said, readers = CASES[case]
    damage(run)
    for verb in readers:
        with pytest.raises(MmrecError) as refused:
            verbs[verb](run)
        assert said in str(refused.value) and str(run) in str(refused.value), verb
        assert "\n" not in str(refused.value), verb


def test_without_damage_every_verb_works(run: Path, verbs: dict[str, Callable[[Path], object]]) -> None:
    for verb in verbs.values():
        verb(run)


@pytest.mark.parametrize(
    "case", ["best cut", "other shapes", "an extra key", "best.json cut", "best.json of a list", "a path for the best"]
)
def test_with_a_damaged_best_checkpoint_the_run_is_finished_as_the_message_says(
    case: str, run: Path, verbs: dict[str, Callable[[Path], object]], capsys: pytest.CaptureFixture[str]
) -> None:
    CASES[case][0](run)
    folder = run / "checkpoints" / "seed_2026"
    with pytest.raises(DamagedCheckpoint, match=f"`mmrec train resume={run}` sets it aside and finishes the run"):
        verbs["evaluate"](run)
    verbs["resume"](run)
    assert "it was selected by validation, and is replaced by the best remaining checkpoint" in capsys.readouterr().err
    lost = None if "best.json" in case or "path" in case else "epoch_0001_step_000000"
    best = {"checkpoint": "epoch_0003_step_000000", "metric": "val/ndcg@20", "value": None, "instead_of": lost}
    assert read_best(folder) == best and (folder / "damaged_epoch_0001_step_000000").is_dir() == (lost is not None)
    verbs["evaluate"](run)
    assert (run / "split" / "test.parquet").is_file()


def test_after_a_lost_best_the_next_epoch_is_the_best(run: Path, compose: Compose) -> None:
    CASES["best cut"][0](run)
    train(compose(f"resume={run}"), ["trainer.max_epochs=5"])
    best = read_best(run / "checkpoints" / "seed_2026")
    assert best["checkpoint"] == "epoch_0004_step_000000" and best["value"] > 0


def test_a_newest_checkpoint_of_another_model_is_set_aside(run: Path, compose: Compose, capsys: pytest.CaptureFixture[str]) -> None:
    weights(narrow, which=-1)(run)
    train(compose(f"resume={run}"), [])
    said = capsys.readouterr().err
    assert "it is of another model" in said and "resumed from epoch_0002_step_000000" in said
