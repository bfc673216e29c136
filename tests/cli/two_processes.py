"""One of two processes that train together, started with torchrun's variables.

Trains to the end once for each number of accumulated batches; then stops at several batches, resumes, and compares.
"""

import contextlib
import os
import signal
from pathlib import Path

import hydra
import pytest
import torch
import torch.distributed as dist
from resumed_training import Kill, ended, losses_of, train_in

from mmrec.config.settings import evidence_settings
from mmrec.experiment.evidence import load_evidence
from mmrec.schemas import register_schemas


def main(directory: str, overrides: list[str]) -> None:
    """Trains in a folder that has the split. Prints how many batches it was stopped at; fails at the first difference."""
    torch.set_num_threads(1)
    folder = Path(directory)
    register_schemas()
    rank, patch = int(os.environ["RANK"]), pytest.MonkeyPatch()
    with hydra.initialize_config_module("mmrec.conf", version_base="1.3"):
        cfg = hydra.compose("train", overrides)
    evidence = load_evidence(evidence_settings(cfg))

    def training(name: str, accumulated: int, n_workers: int, stops: list[int | None]) -> tuple:
        run_dir = folder / name
        for number, at in enumerate(stops):
            cfg.run_dir, cfg.resume = str(run_dir), str(run_dir) if number else None
            cfg.trainer.accumulate_grad_batches, cfg.data_module.n_workers = accumulated, n_workers
            run_dir.mkdir(exist_ok=True)
            with contextlib.suppress(
                FileExistsError
            ):  # the first of both makes it: before the first training they cannot wait for each other
                (run_dir / "split").symlink_to(folder / "split")
            if dist.is_initialized():
                dist.barrier()
            assert train_in(cfg, evidence, run_dir, Kill(at, signal.SIGTERM, run_dir / "losses"), patch) == (at is None)
            dist.barrier()
        return losses_of(run_dir, rank), ended(run_dir, cfg.seed) if rank == 0 else None

    whole = {accumulated: training(f"whole_{accumulated}", accumulated, 0, [None]) for accumulated in (1, 3)}
    n_batches = len(whole[1][0])
    stops = [0, 3, 4, n_batches // 2, 9, n_batches - 1]  # among them both ends of an epoch; one process is stopped at all
    for at in stops:
        accumulated, n_workers = (1, 3)[at % 2], 2 * (at == n_batches // 2)
        assert training(f"stopped_{at}", accumulated, n_workers, [at, None]) == whole[accumulated], f"stopped at {at}"
    print(f"the same at {len(stops)} of {n_batches} batches")
