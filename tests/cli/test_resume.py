"""Killed at any batch and resumed, a training goes on as if nothing had happened: every loss, the weights, the curves, to the bit."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from omegaconf import DictConfig

from mmrec.config.settings import evidence_settings
from mmrec.experiment.evidence import Evidence, load_evidence, make_split

sys.path.insert(0, str(Path(__file__).parent))
from resumed_training import Kill, ended, losses_of, train_in

N_BATCHES = 12
"""Three epochs of four."""
MOST_UNLIKE = (0, 3, 6, 11)
"""The first, the last, the last of an epoch and one amidst."""
BATCHES = [pytest.param(at, marks=[] if at in MOST_UNLIKE else pytest.mark.thorough) for at in range(N_BATCHES)]
"""All of them; without `thorough` only those."""
Compose = Callable[..., DictConfig]


@pytest.fixture(scope="module")
def overrides(shop_overrides: list[str]) -> list[str]:
    """Three epochs of the smallest model that has all that can go wrong: dropout, drawn tokens and triples, Adam."""
    small = ["evidence.text=false", "evidence.image=false", "trainer.max_epochs=3", "~baselines"]
    return [*shop_overrides, *small, "model.embedding_dim=4"]


@pytest.fixture(scope="module")
def evidence(compose: Compose, overrides: list[str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Evidence, Path]:
    """What all trainings learn from, texts included, and the folder of their split."""
    cfg, folder = compose(*overrides, "evidence.text=true"), tmp_path_factory.mktemp("split")
    settings = evidence_settings(cfg)
    found = load_evidence(settings)
    make_split(settings, found, folder / "split")
    return found, folder / "split"


def allowed(cfg: DictConfig, evidence: Evidence) -> Evidence:
    """Without texts, where they are not to be used."""
    return evidence if cfg.evidence.text else replace(evidence, features={})


@pytest.fixture(scope="module")
def whole(compose: Compose, overrides: list[str], evidence: tuple[Evidence, Path], tmp_path_factory: pytest.TempPathFactory) -> Callable:
    """`whole(*more)`: the losses of both processes, and the end of a training that nobody stopped."""
    done: dict[tuple[str, ...], tuple] = {}

    def run(*more: str) -> tuple:
        if more not in done:
            folder = tmp_path_factory.mktemp("whole")
            shutil.copytree(evidence[1], folder / "split")
            cfg = compose(*overrides, *more)
            cfg.run_dir = str(folder)
            with pytest.MonkeyPatch.context() as patch:
                assert train_in(cfg, allowed(cfg, evidence[0]), folder, Kill(None, 0, folder / "losses"), patch)
            done[more] = losses_of(folder), ended(folder, cfg.seed)
        return done[more]

    return run


@pytest.fixture
def killed(
    compose: Compose, overrides: list[str], evidence: tuple[Evidence, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable:
    """`killed(kills, *more)`: the same of a training that is stopped by each of `kills` and then runs to its end."""

    def run(kills: list[tuple[int, int, str]], *more: str) -> tuple:
        shutil.rmtree(tmp_path)
        shutil.copytree(evidence[1], tmp_path / "split")
        for number, (at, signum, moment) in enumerate([*kills, (None, 0, "")]):
            cfg = compose(*overrides, *more)  # composing takes longer than training: once for each set of overrides
            cfg.run_dir, cfg.resume = str(tmp_path), str(tmp_path) if number else None
            is_done = train_in(cfg, allowed(cfg, evidence[0]), tmp_path, Kill(at, signum, tmp_path / "losses", moment), monkeypatch)
            assert is_done == (at is None)
        return losses_of(tmp_path), ended(tmp_path, cfg.seed)

    return run


@pytest.mark.parametrize(
    ("at", "accumulated"), [*((at, 1) for at in MOST_UNLIKE), *(pytest.param(*at.values, 3, marks=at.marks) for at in BATCHES)]
)
def test_stopped_at_any_batch(at: int, accumulated: int, killed: Callable, whole: Callable) -> None:
    common = f"trainer.accumulate_grad_batches={accumulated}"
    found = killed([(at, signal.SIGTERM, "batch")], common)
    assert found == whole(common) and sorted(found[0]) == list(range(N_BATCHES))


@pytest.mark.parametrize("at", BATCHES)
def test_stopped_at_any_batch_that_workers_build(at: int, killed: Callable, whole: Callable) -> None:
    common = f"trainer.accumulate_grad_batches={(1, 3)[at % 2]}"
    assert killed([(at, signal.SIGTERM, "batch")], common, "data_module.n_workers=2") == whole(common)


@pytest.mark.parametrize("at", [0, 4])
@pytest.mark.parametrize("model", ["lattice", "freedom", "kgat"])
def test_what_was_made_for_the_epoch_comes_back(model: str, at: int, killed: Callable, whole: Callable) -> None:
    """Neighbours by the weights of an epoch's beginning, attention by them, edges drawn for it: stopped in the first and in the second."""
    common = [f"model={model}", "evidence.text=true", "data_module.batch_size=200", "optimizer.lr=0.05"]
    found = killed([(at, signal.SIGTERM, "batch")], *common)
    assert found == whole(*common) and len(found[0]) == 9


@pytest.mark.slow
@pytest.mark.thorough
def test_stopped_at_any_batch_in_two_processes(overrides: list[str], evidence: tuple[Evidence, Path], tmp_path: Path) -> None:
    """Both are started once and train again and again, for starting takes far longer than training: see two_processes.py."""
    shutil.copytree(evidence[1], tmp_path / "split")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = ["trainer.strategy=ddp_find_unused_parameters_true", "trainer.devices=2"]
    group = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "TORCHELASTIC_RUN_ID": "test"}
    group |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parent)}
    run = "import mmrec._torchvision, sys, two_processes as two; two.main(sys.argv[1], sys.argv[2:])"  # before Lightning
    command = [sys.executable, "-c", run, str(tmp_path), *overrides, *common]
    processes, outputs = [], [tmp_path / f"output_{rank}.txt" for rank in range(2)]  # files: a pipe has no end while a worker lives on
    for rank, output in enumerate(outputs):
        environment = os.environ | group | {"RANK": str(rank), "LOCAL_RANK": str(rank), "GROUP_RANK": "0", "LOCAL_WORLD_SIZE": "2"}
        with output.open("w") as file:
            processes.append(subprocess.Popen(command, env=environment, stdout=file, stderr=subprocess.STDOUT))
    end = time.monotonic() + 600
    while {process.poll() for process in processes} in ({None}, {None, 0}) and time.monotonic() < end:
        time.sleep(0.1)
    codes = [process.poll() for process in processes]
    for process in processes:
        process.kill()  # one alone would wait for the other
        process.wait()
    said = [output.read_text() for output in outputs]
    assert codes == [0, 0], "\n".join(said)
    assert said[0].splitlines()[-1] == f"the same at {N_BATCHES // 2} of {N_BATCHES} batches"


@pytest.mark.parametrize(
    ("at", "moment"), [(0, "batch"), (3, "batch"), (3, "validation"), (3, "epoch"), (6, "batch"), (7, "validation"), (7, "epoch")]
)
def test_gone_without_a_word(at: int, moment: str, killed: Callable, whole: Callable) -> None:
    """What came after the newest checkpoint is done again, and comes out the same: `losses_of` sees to it."""
    assert killed([(at, signal.SIGKILL, moment)]) == whole()


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("moment", ["validation", "ranked", "epoch"])
@pytest.mark.parametrize("at", [3, pytest.param(11, marks=pytest.mark.thorough)])
def test_stopped_between_epochs(at: int, moment: str, signum: int, killed: Callable, whole: Callable) -> None:
    assert killed([(at, signum, moment)]) == whole()


def test_stopped_twice_in_one_epoch_and_gone_in_the_next(killed: Callable, whole: Callable) -> None:
    kills = [(4, signal.SIGTERM, "batch"), (6, signal.SIGTERM, "batch"), (9, signal.SIGKILL, "batch")]
    assert killed(kills, "checkpoint.every_n_steps=1") == whole()


SCHEDULES = {
    "constant": ["schedule.warmup_steps=5"],
    "cosine": ["schedule.warmup_steps=2"],
    "linear": ["schedule.final=0.1"],
    "one_cycle": [],
    "plateau": ["schedule.plateau_epochs=0", "optimizer.lr=0", "task.embedding_lr=0.000001"],  # reduced after the second epoch
}


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_schedules_continue(schedule: str, killed: Callable, whole: Callable) -> None:
    """Stopped within the first epoch after its validation, and in the last one."""
    common = [f"schedule={schedule}", *SCHEDULES[schedule]]
    found = whole(*common)
    assert killed([(5, signal.SIGTERM, "batch"), (9, signal.SIGTERM, "batch")], *common) == found
    assert found != whole()


def test_early_stopping_counts_on(killed: Callable, whole: Callable) -> None:
    """A metric that is best after the first epoch: with a patience of 1 the second is the last, however often one resumes."""
    common = ["selection.patience=1", "optimizer.lr=0", "task.embedding_lr=0"]
    assert sorted(whole(*common)[0]) == list(range(8))
    for at in (5, 7):
        assert killed([(at, signal.SIGTERM, "batch"), (7, signal.SIGKILL, "epoch")][: 1 + (at == 5)], *common) == whole(*common)
