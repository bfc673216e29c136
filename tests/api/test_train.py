"""mmrec.train, open_run and evaluate as calls: what they leave of the process, what they print, and that they say what the verbs do."""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import torch

import mmrec
from mmrec.cli.main import main

ROOT = Path(__file__).resolve().parent.parent.parent
FAST = {"trainer.max_epochs": 1, "baselines": "none", "evaluation.auc": False}
SCRIPT = """
import json, logging, os, signal, sys, threading, warnings
import mmrec

def state():
    loggers = [logging.getLogger(name) for name in ("", "mmrec", "lightning", "lightning.pytorch", "lightning.fabric")]
    said = [(one.level, one.propagate, [str(h) for h in one.handlers]) for one in loggers]
    signals = [str(signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM)]
    return said, signals, [str(one) for one in warnings.filters], threading.active_count(), sorted(os.environ.items()), sys.argv

before = state()
run = mmrec.train(*json.loads(sys.argv[1]), out="run")
after = state()
assert before == after, [pair for pair in zip(before, after) if pair[0] != pair[1]]
from hydra.core.global_hydra import GlobalHydra
assert not GlobalHydra.instance().is_initialized()
threads = __import__("torch").get_num_threads()
run.recommend(["u7"], k=2)
assert __import__("torch").get_num_threads() == threads
assert state() == before
"""


@pytest.fixture(scope="module")
def run_dir(made_once: Callable[[str, Callable[[Path], None]], Path], shop_overrides: list[str]) -> Path:
    """A run of the small shop, trained by a call."""

    def make(folder: Path) -> None:
        mmrec.train(*shop_overrides, out=folder / "run", **FAST)

    return made_once("run_of_a_call", make) / "run"


def test_a_call_prints_nothing_and_leaves_the_process_as_it_was(shop_overrides: list[str], tmp_path: Path) -> None:
    """In a script without a guard, in which Hydra, lightning and torch are imported for the first time by the call itself."""
    (tmp_path / "script.py").write_text(SCRIPT)
    words = json.dumps([*shop_overrides, *(f"{key}={str(value).lower()}" for key, value in FAST.items())])
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "script.py", words]
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


def test_the_state_of_random_numbers_is_kept(run_dir: Path) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    with pytest.raises(mmrec.MmrecError):
        mmrec.train("data=folder", "data.path=nowhere", **FAST)
    assert torch.equal(torch.rand(3), expected)


def test_verbose_shows_what_the_verb_shows(run_dir: Path, shop_overrides: list[str], tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    mmrec.train(*shop_overrides, "evaluation.report=true", out=tmp_path / "run", verbose=True, **FAST)
    out, err = capsys.readouterr()
    assert "fusion" in out and "ndcg@20" in out and f"report: {tmp_path / 'run' / 'report.html'}" in err
    assert logging.getLogger("mmrec").handlers == []


def test_keywords_are_words(run_dir: Path, shop_overrides: list[str], tmp_path: Path) -> None:
    run = mmrec.train(*shop_overrides, out=tmp_path / "a run", split="user_time", evidence={"image": False}, **FAST)
    saved = (run.folder / "config.yaml").read_text()
    assert "mmrec.data.interactions.split.user_time" in saved and "image: false" in saved
    assert "image" not in pl.read_parquet(run.folder / "attention.parquet")["modality"]


@pytest.mark.parametrize(
    ("words", "settings"),
    [
        (["slit=global_time"], {}),
        ([], {"slit": "global_time"}),
        ([], {"split": "global_tim"}),
        ([], {"trainer": {"max_epoch": 5}}),
        (["resume=nowhere"], {}),
        (["=3"], {}),
        (["fusion=3"], {}),
    ],
)
def test_a_mistake_is_an_error_with_the_message_of_the_command_line(
    words: list[str], settings: dict, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(mmrec.MmrecError) as error:
        mmrec.train(*words, **settings)
    flat = [f"{k}.{n}={v}" for k, inner in settings.items() if isinstance(inner, dict) for n, v in inner.items()]
    flat += [f"{k}={v}" for k, v in settings.items() if not isinstance(v, dict)]
    monkeypatch.setattr(sys, "argv", ["mmrec", "train", *words, *flat])
    with pytest.raises(SystemExit):
        main()
    assert capsys.readouterr().err == f"mmrec: {error.value}\n"


def test_what_only_a_command_line_has_is_refused() -> None:
    with pytest.raises(mmrec.ConfigError, match="-m: options are only available on the command line"):
        mmrec.train("-m", "seed=1,2")


def test_a_dataset_is_trained_as_its_folder_is(run_dir: Path, shop_overrides: list[str], shop_folder: Path, tmp_path: Path) -> None:
    """To the bit; and the run can be measured again, which reads the copy that it holds, wherever the run lies then."""
    words = [word for word in shop_overrides if not word.startswith(("data=", "data."))]
    mmrec.train(mmrec.read_folder(str(shop_folder)), *words, out=tmp_path / "run", **FAST)
    (tmp_path / "run").rename(tmp_path / "moved")
    run, other = mmrec.open_run(tmp_path / "moved"), mmrec.open_run(run_dir)
    assert run.metrics.equals(other.metrics)
    again = mmrec.evaluate(run)
    assert again.columns == ["model", "metric", "mean", "reported"] and (again["mean"] - again["reported"]).abs().max() < 1e-4


def test_words_may_not_name_other_data_than_the_dataset(shop_folder: Path) -> None:
    with pytest.raises(mmrec.ConfigError, match="data=movielens_100k: a dataset is already given as an argument"):
        mmrec.train(mmrec.read_folder(str(shop_folder)), "data=movielens_100k")


def test_predictions_in_memory_are_measured_as_the_run_was(run_dir: Path) -> None:
    run = mmrec.open_run(run_dir)
    before = sorted(run_dir.rglob("*"))
    lists = pl.read_parquet(run_dir / "recommendations.parquet")
    found = mmrec.evaluate(run, predictions=lists.to_arrow())
    ours, theirs = (found.filter(model=name, metric="test/ndcg@10")["mean"].item() for name in ("fusion", "predictions"))
    assert found.columns == ["model", "metric", "mean", "low", "high"] and ours == pytest.approx(theirs)
    assert sorted(run_dir.rglob("*")) == before
    with pytest.raises(mmrec.DataError, match="score"):
        mmrec.evaluate(run, predictions={"user_id": ["u1"], "item_id": ["i1"]})


def test_histories_of_the_runs_own_users_are_scored_as_they_are(run_dir: Path) -> None:
    """The fused model is its users' histories; what is known of the users is the training part."""
    run = mmrec.open_run(run_dir)
    train = pl.read_parquet(run_dir / "split" / "train.parquet")
    users = ["u3", "u40"]
    owned = [train.filter(user_id=user)["item_id"].to_list() for user in users]
    by_history = run.recommend(users, k=40, histories=owned, exclude_seen=False)
    by_user = run.recommend(users, k=40, exclude_seen=False)
    both = by_history.join(by_user, on=["user_id", "item_id"])
    assert len(both) == 80
    torch.testing.assert_close(both["score"].to_torch(), both["score_right"].to_torch(), rtol=1e-3, atol=1e-2)


@pytest.mark.filterwarnings("ignore::UserWarning")  # a trainer with its own defaults has advice to give
def test_without_hydra(shop_folder: Path, tmp_path: Path) -> None:
    """A dataset, its spec and split, a task and a trainer, all else by default."""
    from lightning import Trainer

    made = mmrec.prepare(mmrec.read_folder(str(shop_folder)), "global_time", evidence={"text": False, "image": False})
    task = mmrec.RankingTask(mmrec.FusionRecommender(made.spec))
    data = mmrec.TabularDataModule(made.split, made.index)
    trainer = Trainer(max_epochs=2, logger=False, enable_checkpointing=False, enable_progress_bar=False, default_root_dir=tmp_path)
    trainer.fit(task, data)
    assert "val/ndcg@20" in trainer.callback_metrics
    with pytest.raises(mmrec.ConfigError, match="did you mean `global_time`"):
        mmrec.prepare(mmrec.read_folder(str(shop_folder)), "global_tim")
