"""The command itself, killed and asked to stop; NaN, a damaged checkpoint, a full disk: each ends as it should, and can be gone on with."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest
import torch
from omegaconf import DictConfig

import mmrec.experiment.train
from mmrec.cli.process.messages import errors_as_messages
from mmrec.cli.process.terminate import end_on_sigterm
from mmrec.cli.train import train
from mmrec.errors import DamagedCheckpoint, DataError, DivergedError, Terminated
from mmrec.experiment.run_folder.origin import remember_run
from mmrec.files.checkpoint import check_checkpoint
from mmrec.tasks.checkpoints import checkpoints_in
from mmrec.tasks.ranking import RankingTask

Compose = Callable[..., DictConfig]
SMALL = ["evidence.text=false", "evidence.image=false", "~baselines", "model.embedding_dim=4"]


@pytest.fixture
def start(shop_overrides: list[str], tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen]]:
    """`start(*overrides)`: `mmrec train` in a process of its own."""
    running = []

    def started(*overrides: str) -> subprocess.Popen:
        command = [sys.executable, "-m", "mmrec.cli.main", "train", *overrides]
        options = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True, "env": os.environ | {"OMP_NUM_THREADS": "1"}}
        running.append(subprocess.Popen(command, **options))
        return running[-1]

    yield started
    for process in running:
        process.kill()
        process.wait()
        process.stderr.close()  # not read to its end: a child of a test that failed may still have it


def wait_for(path: Path, pattern: str) -> None:
    """Until a checkpoint is there."""
    end = time.monotonic() + 300
    while not list(path.glob(pattern)):
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.slow
def test_the_command_is_killed_then_asked_to_stop_then_ends_as_if_neither(
    start: Callable, compose: Compose, shop_overrides: list[str], tmp_path: Path
) -> None:
    common = [*shop_overrides, *SMALL, "trainer.max_epochs=20", "selection.patience=99", "checkpoint.every_n_steps=3"]
    whole, run = tmp_path / "whole", tmp_path / "run"
    process = start(*common, f"run_dir={run}")
    wait_for(run, "checkpoints/seed_2026/epoch_0001_*")
    process.send_signal(signal.SIGKILL)
    process.wait()
    process = start(f"resume={run}")
    wait_for(run, "checkpoints/seed_2026/epoch_0003_*")
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=10)
    assert process.returncode == 143, said
    assert said.rstrip().splitlines()[-1] == f"mmrec: terminated; `mmrec train resume={run}` continues from here"
    train(compose(f"resume={run}"), [f"resume={run}"])
    train(compose(*common, f"run_dir={whole}"))
    one, other = (json.loads((folder / "run.json").read_text())["weights_sha256"] for folder in (run, whole))
    assert one == other and len(one) == 64


@pytest.mark.slow
@pytest.mark.thorough
def test_two_processes_are_asked_to_stop_and_end_as_one_that_nobody_asked(
    start: Callable, compose: Compose, shop_overrides: list[str], tmp_path: Path
) -> None:
    """To the bit against two that nobody stopped: test_resume.py. Plain descent, for Adam makes a step of a rounding error."""
    descent = ["optimizer._target_=torch.optim.SGD", "optimizer.lr=0.05", "task.embedding_lr=5.0"]
    common = [*shop_overrides, *SMALL, *descent, "trainer.max_epochs=6", "selection.patience=99", "checkpoint.every_n_steps=3"]
    two = [one for one in common if one != "trainer=debug"] + ["trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2"]
    run, one = tmp_path / "run", tmp_path / "one"
    process = start(*two, f"run_dir={run}")
    wait_for(run, "checkpoints/seed_2026/epoch_0001_*")
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)  # two processes on a busy machine
    assert process.returncode == 143, said
    assert said.rstrip().splitlines()[-1] == f"mmrec: terminated; `mmrec train resume={run}` continues from here"
    assert not (run / "metrics.json").exists()
    process = start(f"resume={run}")
    _, said = process.communicate(timeout=200)
    assert process.returncode == 0, said
    train(compose(*common, f"run_dir={one}"))
    losses, expected = (
        pl.read_parquet(folder / "curves.parquet").filter(metric="train/loss").sort("epoch")["value"].to_list() for folder in (run, one)
    )
    assert losses == pytest.approx(expected, rel=1e-5) and len(losses) == 6


@pytest.fixture
def trained(compose: Compose, shop_overrides: list[str], tmp_path: Path) -> Callable[..., Path]:
    """`trained(*overrides)`: a short run in this process."""

    def run(*overrides: str) -> Path:
        return train(compose(*shop_overrides, *SMALL, f"run_dir={tmp_path / 'run'}", *overrides))

    return run


def test_a_damaged_checkpoint_is_named_and_the_one_before_taken(
    trained: Callable, compose: Compose, capsys: pytest.CaptureFixture[str]
) -> None:
    run = trained()
    expected = json.loads((run / "run.json").read_text())["weights_sha256"]
    newest = checkpoints_in(run / "checkpoints" / "seed_2026")[-1]
    file = newest / "tensors.safetensors"
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 2] ^= 1
    file.write_bytes(raw)
    capsys.readouterr()
    train(compose(f"resume={run}"), [f"resume={run}"])
    said = capsys.readouterr().err
    assert f"{file}: expected sha256 " in said and "resumed from epoch_0001_step_000000" in said
    assert json.loads((run / "run.json").read_text())["weights_sha256"] == expected
    for folder in checkpoints_in(run / "checkpoints" / "seed_2026"):
        (folder / "state.json").write_text("{}")
    with pytest.raises(DamagedCheckpoint, match=r"^resume: all checkpoints of .*state\.json: expected sha256"):
        train(compose(f"resume={run}"), [f"resume={run}"])


def test_a_run_is_not_resumed_on_other_rows(trained: Callable, compose: Compose) -> None:
    run = trained("trainer.max_epochs=1")
    config = run / "config.yaml"
    config.write_text(config.read_text(encoding="utf-8").replace("test_ratio: 0.1", "test_ratio: 0.2"), encoding="utf-8")
    remember_run(run)
    before = (run / "split" / "test.parquet").read_bytes()
    with pytest.raises(DataError, match=r"^resume: .*parquet differs from the split of the current data; restore the files"):
        train(compose(f"resume={run}"), [f"resume={run}"])
    assert (run / "split" / "test.parquet").read_bytes() == before


@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_nan_stops_within_the_step(what: str, trained: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step, spoiled = RankingTask.training_step, []

    def spoil(self: RankingTask, batch: object, batch_idx: int) -> torch.Tensor:
        loss = step(self, batch, batch_idx)
        if self.trainer.fit_loop.total_batch_idx == 5:
            spoiled.append(batch)
            if what == "loss":
                return loss * float("nan")
            self.model.fusion.register_parameter("last", torch.nn.Parameter(torch.zeros(())))
            next(iter(self.model.parameters())).register_hook(lambda gradient: gradient * float("inf"))
        assert not spoiled[1:]
        return loss

    monkeypatch.setattr(RankingTask, "training_step", spoil)
    told = (
        r"in epoch 1, step 2.*the first non-finite value: the gradient of `model\.\S+`",
        r"the batch: users `u\d+`.*rows \d+, .*train.parquet",
    )
    pattern = "; ".join(told)
    with pytest.raises(DivergedError, match=pattern):
        trained()
    (kept,) = checkpoints_in(tmp_path / "run" / "checkpoints" / "seed_2026")
    check_checkpoint(kept)
    assert kept.name == "epoch_0001_step_000000" and len(spoiled) == 1


def test_sigterm_elsewhere_ends_with_a_line(
    trained: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the baselines, the features, the report: anything but training is simply left."""
    monkeypatch.setattr(mmrec.experiment.train, "measure_baselines", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as end, errors_as_messages("train"), end_on_sigterm():
        trained()
    assert end.value.code == 143 and capsys.readouterr().err.rstrip().endswith(f"resume={tmp_path / 'run'}` continues from here")
    assert signal.getsignal(signal.SIGTERM) is before


def test_sigterm_in_a_call_that_does_not_return_ends_the_process() -> None:
    program = (
        "import os, signal, threading, time\nfrom mmrec.cli.process.terminate import end_on_sigterm\n"
        "with end_on_sigterm(grace_s=0.2):\n"
        "    try:\n        os.kill(os.getpid(), signal.SIGTERM)\n        time.sleep(60)\n"
        "    except SystemExit:\n        time.sleep(60)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 143 and done.stderr == "mmrec: terminated: the current operation did not end within 0.2 s\n"


def test_a_full_disk_is_one_message(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end, errors_as_messages("train"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "runs/x/logs/metrics.csv")
    said = capsys.readouterr().err
    assert end.value.code == 2 and said.startswith("mmrec: No space left on device: runs/x/logs/metrics.csv; ") and said.count("\n") == 1


def test_terminated_says_by_what() -> None:
    assert str(Terminated(signal.SIGTERM)) == "terminated" and Terminated(signal.SIGTERM).code == 143
    assert str(Terminated(signal.SIGINT, "; on")) == "interrupted; on" and Terminated(signal.SIGINT).code == 130
