"""Killed at any batch and resumed, a training goes on as if nothing had happened: every loss, the weights, the curves, to the bit."""

import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import DictConfig

from mmrec.cli.prepare import Evidence, load_evidence, make_split

sys.path.insert(0, str(Path(__file__).parent))
from resumed_training import Kill, ended, losses_of, train_in  # noqa: E402

N_BATCHES = 12
"""Three epochs of four."""
Compose = Callable[..., DictConfig]


@pytest.fixture(scope="module")
def overrides(shop_overrides: list[str]) -> list[str]:
    """Three epochs of the smallest model that has all that can go wrong: dropout, drawn tokens and triples, Adam."""
    small = ["evidence.text=false", "evidence.image=false", "task.kg_loss_weight=0.1", "trainer.max_epochs=3", "~baselines"]
    return [*shop_overrides, *small, "model.embedding_dim=4"]


@pytest.fixture(scope="module")
def evidence(compose: Compose, overrides: list[str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Evidence, Path]:
    """What all trainings learn from, and the folder of their split."""
    cfg, folder = compose(*overrides), tmp_path_factory.mktemp("split")
    found = load_evidence(cfg)
    make_split(cfg, found, folder / "split")
    return found, folder / "split"


@pytest.fixture(scope="module")
def whole(compose: Compose, overrides: list[str], evidence: tuple[Evidence, Path], tmp_path_factory: pytest.TempPathFactory) -> Callable:
    """`whole(*more)`: the losses of both processes, and the end of a training that nobody stopped."""
    done: dict[tuple[str, ...], tuple] = {}

    def run(*more: str) -> tuple:
        if more not in done:
            folder = tmp_path_factory.mktemp("whole")
            shutil.copytree(evidence[1], folder / "split")
            cfg = compose(*overrides, *more, f"run_dir={folder}")
            with pytest.MonkeyPatch.context() as patch:
                assert train_in(cfg, evidence[0], folder, Kill(None, 0, folder / "losses"), patch)
            done[more] = losses_of(folder), ended(folder, cfg.seed)
        return done[more]

    return run


@pytest.fixture
def killed(
    compose: Compose, overrides: list[str], evidence: tuple[Evidence, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable:
    """`killed(kills, *more)`: the same of a training that is stopped by each of `kills` and then runs to its end."""

    def run(kills: list[tuple[int, int, str]], *more: str) -> tuple:
        shutil.copytree(evidence[1], tmp_path / "split")
        for number, (at, signum, moment) in enumerate([*kills, (None, 0, "")]):
            resume = [f"resume={tmp_path}"] if number else []
            cfg = compose(*overrides, *more, f"run_dir={tmp_path}", *resume)
            is_done = train_in(cfg, evidence[0], tmp_path, Kill(at, signum, tmp_path / "losses", moment), monkeypatch)
            assert is_done == (at is None)
        return losses_of(tmp_path), ended(tmp_path, cfg.seed)

    return run


@pytest.mark.parametrize("accumulated", [1, 3])
@pytest.mark.parametrize("n_workers", [0, 2])
@pytest.mark.parametrize("at", range(N_BATCHES))
def test_killed_at_any_batch(at: int, n_workers: int, accumulated: int, killed: Callable, whole: Callable) -> None:
    common = f"trainer.accumulate_grad_batches={accumulated}"
    found = killed([(at, signal.SIGTERM, "batch")], common, f"data_module.n_workers={n_workers}")
    assert found == whole(common) and sorted(found[0]) == list(range(N_BATCHES))
