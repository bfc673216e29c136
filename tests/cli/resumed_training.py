"""Trainings that are killed at a given batch and resumed, in this process, against those that are not."""

import os
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from lightning.pytorch import Callback, LightningModule, Trainer
from omegaconf import DictConfig
from torch import Tensor

import mmrec.experiment.fit
from mmrec.config.settings import training_settings
from mmrec.errors import Terminated
from mmrec.experiment.evidence import Evidence
from mmrec.experiment.fit import fit, make_trainer, quiet_lightning
from mmrec.experiment.measures import largest_k
from mmrec.experiment.models import fit_priors, make_data_module, make_model, make_spec
from mmrec.experiment.run_folder.files import checkpoint_folder
from mmrec.experiment.run_folder.record import write_curves
from mmrec.experiment.settings import TrainingSettings
from mmrec.files.checkpoint import read_checkpoint
from mmrec.tasks.checkpoints import checkpoints_in, read_best


class Killed(BaseException):
    """The process is gone, as by SIGKILL: nobody has anything to say any more."""


@dataclass
class Kill(Callback):
    """Writes down the loss of every batch, and ends the training at batch `at`, counted over all epochs, by `signum`."""

    at: int | None
    signum: int
    losses: Path
    """A file, for other processes write it too."""
    moment: str = "batch"
    lines: list[str] = field(default_factory=list)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, outputs: dict[str, Tensor], *_: object) -> None:
        step = trainer.fit_loop.total_batch_idx
        with self.losses.with_name(f"losses_{trainer.global_rank}.txt").open("a") as file:
            file.write(f"{step} {float(outputs['loss']).hex()}\n")
        if self.moment == "batch":
            self._strike(trainer)

    def on_validation_batch_start(self, trainer: Trainer, *_: object) -> None:
        if self.moment == "validation":
            self._strike(trainer)

    def on_validation_batch_end(self, trainer: Trainer, *_: object) -> None:
        if self.moment == "ranked":
            self._strike(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.moment == "epoch":
            self._strike(trainer)

    def _strike(self, trainer: Trainer) -> None:
        if trainer.fit_loop.total_batch_idx != self.at or not trainer.is_global_zero:
            return
        if self.signum == signal.SIGKILL:
            raise Killed
        os.kill(os.getpid(), self.signum)


def train_in(cfg: DictConfig, evidence: Evidence, run_dir: Path, kill: Kill, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Trains from scratch, or from where the run in `run_dir` stopped; returns whether it came to its end."""
    quiet_lightning()
    settings = training_settings(cfg, cfg.seed)
    data = make_data_module(settings, evidence, run_dir / "split")
    data.setup("fit")
    data.setup = lambda stage: None  # once is enough, and polars does not work in a fork of a process that has used it
    spec = make_spec(evidence, data)
    priors = fit_priors(settings.model, spec, data.valid_set(), largest_k(settings.measures))
    task = settings.task(make_model(settings.model, spec, priors, settings.seed))

    def with_kill(settings: TrainingSettings, folder: Path) -> Trainer:
        trainer = make_trainer(settings, folder)
        trainer.callbacks.insert(0, kill)
        return trainer

    with monkeypatch.context() as patch:
        patch.setattr(mmrec.experiment.fit, "make_trainer", with_kill)
        try:
            fit(settings, task, data, checkpoint_folder(run_dir, cfg.seed))
        except (Killed, Terminated):
            return False
    return True


def losses_of(run_dir: Path, rank: int = 0) -> dict[int, str]:
    """The loss of every batch to the bit. A batch trained on twice must have had the same both times."""
    found: dict[int, str] = {}
    for line in (run_dir / f"losses_{rank}.txt").read_text().splitlines():
        step, loss = line.split()
        assert found.setdefault(int(step), loss) == loss, f"batch {step} repeated with another loss"
    return found


def ended(run_dir: Path, seed: int) -> dict[str, Any]:
    """All that a training leaves: the state it ended in, the best so far, the curves."""
    folder = checkpoint_folder(run_dir, seed)
    state = read_checkpoint(checkpoints_in(folder)[-1])
    del state["kept"]  # which others there were depends on where it was stopped
    write_curves(run_dir, [seed])
    curves = pl.read_parquet(run_dir / "curves.parquet").sort("metric", "epoch")
    return {"state": _plain(state), "best": read_best(folder), "curves": curves.rows()}


def _plain(value: Any) -> Any:
    if isinstance(value, Tensor):
        return str(value.dtype), tuple(value.shape), value.numpy().tobytes()
    if isinstance(value, dict):
        return {key: _plain(child) for key, child in value.items()}
    return [_plain(child) for child in value] if isinstance(value, list | tuple) else value
