"""Which checkpoints of a training are written, when, and which are kept; and how a signal ends it without losing a step.

checkpoints/seed_2026/epoch_0003_step_000000/    after 3 epochs; `mmrec.files.checkpoint` says what is in it
checkpoints/seed_2026/best.json                  which of them validation chose, and by what value
checkpoints/seed_2026/seconds.json               how long training had taken at the newest of them
"""

import atexit
import gc
import json
import os
import re
import shutil
import signal
import threading
import time
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any

from lightning.fabric.plugins.io.checkpoint_io import CheckpointIO
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, Checkpoint

from mmrec.errors import DamagedCheckpoint, DivergedError, MissingFile, Terminated
from mmrec.files.checkpoint import read_checkpoint, remove_leftovers, write_checkpoint
from mmrec.files.storage import write_json
from mmrec.tasks.finite import FiniteCheck, first_bad_value
from mmrec.tasks.position import Position, position_between_epochs, position_in_epoch, take_up

BEST, SECONDS = "best.json", "seconds.json"
_N_KEPT = 2
_NAME = re.compile(r"epoch_\d+_step_\d+")


class FolderCheckpointIO(CheckpointIO):
    """Lightning's checkpoints as folders of safetensors and JSON."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        write_checkpoint(Path(path), checkpoint)

    def load_checkpoint(self, path: str | Path, map_location: Any | None = None, weights_only: bool | None = None) -> dict[str, Any]:
        """Tensors are on the CPU: whoever they are for copies them to where its own are."""
        checkpoint: dict[str, Any] = read_checkpoint(Path(path))
        return checkpoint

    def remove_checkpoint(self, path: str | Path) -> None:
        shutil.rmtree(path)


class CheckpointKeeper(Checkpoint):
    """Writes a checkpoint after each epoch and, if given, every `every_n_steps` optimizer steps; keeps the two newest and the best.

    The best is that of the epoch with the highest `metric`, or the lowest unless `is_higher_better`, the first of equals. A checkpoint is
    taken between two optimizer steps, never among the batches whose gradients one step adds up, and holds the position
    (`mmrec.tasks.position`), the model, the optimizer, early stopping, and the best so far.

    SIGTERM or SIGINT ends the training after the optimizer's next step, during validation at once, in both cases with a checkpoint: it
    raises Terminated. Of several processes all stop after the same step. A second SIGINT does not wait.
    """

    def __init__(self, folder: Path, metric: str, every_n_steps: int | None, is_higher_better: bool = True) -> None:
        if every_n_steps is not None and every_n_steps < 1:
            raise ValueError(f"every_n_steps: expected at least 1, or null, came {every_n_steps}")
        self.folder, self.metric, self.every_n_steps = folder, metric, every_n_steps
        self.sign = 1 if is_higher_better else -1
        self.seconds_before = 0.0  # of training, until the checkpoint that is resumed
        self.signum: int | None = None
        self.best: dict[str, Any] | None = None
        self._kept: list[tuple[str, str | None]] = []
        self._position: Position  # of the newest checkpoint
        self._improved = self._is_stopping = self._in_validation_step = self._in_epoch = False
        self._main_pid = os.getpid()

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self._begun = time.perf_counter()
        atexit.register(gc.freeze)  # a process that was started to train ends at once, instead of collecting all it has for two seconds
        if trainer.is_global_zero:
            self.folder.mkdir(parents=True, exist_ok=True)
            remove_leftovers(self.folder)
        self.catch_signals(trainer)

    def catch_signals(self, trainer: Trainer) -> None:
        """Answers SIGTERM and SIGINT from here on, in a thread that can."""
        if threading.current_thread() is not threading.main_thread():
            return

        def answer(signum: int, frame: FrameType | None) -> None:
            is_launched = os.getpid() != self._main_pid
            if signum == signal.SIGINT and is_launched and os.getppid() == self._main_pid:
                return  # the terminal told the whole group; the main process passes on what is to be done
            if signum == signal.SIGINT and (self.signum == signum or is_launched):
                raise KeyboardInterrupt
            if self.signum is None and trainer.strategy.launcher is not None:
                trainer.strategy.launcher.kill(signal.SIGTERM)
            self.signum = self.signum or signum
            if self._in_validation_step:
                self._in_validation_step = False
                raise Terminated(self.signum)

        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, answer)

    def release_signals(self, handlers: dict[signal.Signals, Any]) -> None:
        """Leaves the signals to `handlers`."""
        if threading.current_thread() is threading.main_thread():
            for signum, handler in handlers.items():
                signal.signal(signum, handler)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Puts the position in the place of Lightning's account of its loops."""
        del checkpoint["loops"]
        checkpoint["position"], checkpoint["best"] = asdict(self._position), self.best
        checkpoint["kept"] = self._kept

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Goes to where the checkpoint was taken. Early stopping that had its reasons still has them, under the patience given now."""
        self._position, self.best = Position(**checkpoint["position"]), checkpoint["best"]
        self._kept = [tuple(pair) for pair in checkpoint["kept"]]
        if self.best and not (self.folder / self.best["checkpoint"]).is_dir():
            self.best = None  # it was lost, see replace_best: the next epoch is the best of those to come
        take_up(trainer, self._position)
        for stopping in trainer.early_stopping_callbacks:
            state = checkpoint["callbacks"].get(stopping.state_key, {})
            state["patience"] = stopping.patience
            trainer.should_stop |= state.get("wait_count", 0) >= stopping.patience

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.catch_signals(trainer)  # Lightning has just put its own handlers there, which broadcast among processes at any moment
        self._in_epoch, self._n_steps = False, trainer.global_step

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._end_epoch(trainer)
        self._in_epoch = True

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._end_epoch(trainer)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int) -> None:
        if trainer.global_step == self._n_steps:
            return  # the gradients of this batch are still to be added to those of the next
        self._n_steps = trainer.global_step
        self._agree_to_stop(trainer)
        if not self._is_stopping and (self.every_n_steps is None or trainer.global_step % self.every_n_steps):
            return
        if (position := position_in_epoch(trainer)) is not None:
            self._save(trainer, position)
            self._stop_if_asked()

    def on_validation_batch_start(self, trainer: Trainer, *_: Any) -> None:
        self._in_validation_step = not trainer.sanity_checking
        if self.signum is not None and self._in_validation_step:
            raise Terminated(self.signum)

    def on_validation_batch_end(self, *_: Any) -> None:
        self._in_validation_step = False

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        value = trainer.callback_metrics.get(self.metric)
        if value is None or trainer.sanity_checking:
            return
        if self.best is None or self.sign * float(value) > self.sign * self.best["value"]:
            self._improved = True

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """A validation that a signal cut short is begun again: what it was to measure is kept. Only the first process writes, alone."""
        self._in_validation_step = False
        is_cut_short = self.signum is not None and trainer.validating and not isinstance(exception, KeyboardInterrupt)
        if is_cut_short and trainer.is_global_zero and (position := position_in_epoch(trainer)) is not None:
            self._write(trainer, position)

    def _end_epoch(self, trainer: Trainer) -> None:
        """After all that an epoch ends with, the loggers' lines included: a kill before repeats them, a kill after does not."""
        if not self._in_epoch:
            return
        self._in_epoch = False
        self._agree_to_stop(trainer)
        self._save(trainer, position_between_epochs(trainer))
        self._stop_if_asked()

    def _agree_to_stop(self, trainer: Trainer) -> None:
        asked = self.signum is not None
        self._is_stopping = self._is_stopping or trainer.strategy.reduce_boolean_decision(asked, all=False)

    def _stop_if_asked(self) -> None:
        if self._is_stopping:
            raise Terminated(self.signum or signal.SIGTERM)

    def _save(self, trainer: Trainer, position: Position) -> None:
        """Writes a checkpoint, chooses it if its epoch is the best, and lets go of those that are no longer needed."""
        callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]  # Lightning sets it, and declares it nowhere
        for check in (callback for callback in callbacks if isinstance(callback, FiniteCheck)):
            check.settle(trainer, trainer.lightning_module)
        if bad := first_bad_value(trainer.lightning_module):
            raise DivergedError(f"training left the finite numbers in epoch {position.epoch}: {bad}; the last checkpoint is from before")
        name = f"epoch_{position.epoch:04d}_step_{position.step:06d}"
        if self._improved:
            self.best = {"checkpoint": name, "metric": self.metric, "value": float(trainer.callback_metrics[self.metric])}
            self._improved = False
        best: str | None = self.best["checkpoint"] if self.best else None
        self._kept = [*(pair for pair in self._kept if pair[0] != name), (name, best)][-_N_KEPT:]
        self._write(trainer, position)
        if trainer.is_global_zero:
            if best and read_best(self.folder) != self.best:
                write_json(self.folder / BEST, self.best)
            needed = {one for pair in self._kept for one in pair}
            for old in (folder for folder in checkpoints_in(self.folder) if folder.name not in needed):
                shutil.rmtree(old)
        trainer.strategy.barrier("checkpoint")

    def _write(self, trainer: Trainer, position: Position) -> None:
        self._position = position
        trainer.save_checkpoint(self.folder / f"epoch_{position.epoch:04d}_step_{position.step:06d}", weights_only=False)
        if trainer.is_global_zero:
            write_json(self.folder / SECONDS, self.seconds_before + time.perf_counter() - self._begun)


def checkpoints_in(folder: Path) -> list[Path]:
    """The checkpoints of a training, oldest first, sound or not."""
    return sorted(folder.glob("epoch_*_step_*"))


def read_best(folder: Path) -> dict[str, Any] | None:
    """Which checkpoint validation chose so far: its name, the metric and the value; None before the first validation.

    Raises DamagedCheckpoint where `best.json` names anything but a checkpoint of this folder.
    """
    best = _read_json(folder / BEST)
    if best is None:
        return None
    name = best.get("checkpoint") if isinstance(best, dict) else None
    if not isinstance(best, dict) or not isinstance(name, str) or not _NAME.fullmatch(name):  # a path would lead out of the folder
        raise DamagedCheckpoint(f"{folder / BEST}: checkpoint: expected one beside it, such as epoch_0001_step_000000, came `{name}`")
    return best


def replace_best(folder: Path, lost: Path | None, checkpoint: Path, metric: str) -> None:
    """Sets the damaged checkpoint that validation chose aside, and another one in its place, of whose value nothing is known.

    `lost` is None where not even its name is known.
    """
    if lost is not None and lost.is_dir():
        lost.rename(lost.with_name(f"damaged_{lost.name}"))
    name = None if lost is None else lost.name
    write_json(folder / BEST, {"checkpoint": checkpoint.name, "metric": metric, "value": None, "instead_of": name})


def seconds_trained(folder: Path) -> float:
    """How long training had taken at the newest checkpoint; 0 where there is none."""
    seconds = _read_json(folder / SECONDS)
    return float(seconds) if isinstance(seconds, int | float) else 0.0


def _read_json(path: Path) -> Any:
    """None where there is no such file. Raises DamagedCheckpoint where it is no JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    except (ValueError, RecursionError) as error:
        raise DamagedCheckpoint(f"{path}: expected JSON: {error}") from error


def best_checkpoint(folder: Path) -> Path:
    """The checkpoint that validation chose. Raises MissingFile where there is none, and as `read_best`."""
    best = read_best(folder)
    if best is None:
        raise MissingFile(f"expected a checkpoint that validation chose in {folder}, and there is none")
    chosen: Path = folder / best["checkpoint"]
    if not chosen.is_dir():
        raise MissingFile(f"expected the checkpoint {chosen.name} that validation chose in {folder}, and there is none")
    return chosen
