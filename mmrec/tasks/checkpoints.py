"""Write and retain checkpoints during training, and stop on signals without losing a step.

checkpoints/seed_2026/epoch_0003_step_000000/    after 3 epochs, in the format of `mmrec.files.checkpoint`
checkpoints/seed_2026/best.json                  the checkpoint selected by validation, and its metric value
checkpoints/seed_2026/seconds.json               the training time up to the newest checkpoint
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

import mmrec._torchvision  # noqa: F401  first: the imports below may reach torchvision

from lightning.fabric.plugins.io.checkpoint_io import CheckpointIO
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, Checkpoint

from mmrec.errors import DamagedCheckpoint, DivergedError, MissingFile, Terminated
from mmrec.files.checkpoint import read_checkpoint, remove_leftovers, write_checkpoint
from mmrec.files.storage import write_json
from mmrec.tasks.training.finite import FiniteCheck, first_bad_value
from mmrec.tasks.training.position import Position, position_between_epochs, position_in_epoch, restore_position

BEST, SECONDS = "best.json", "seconds.json"
_N_KEPT = 2
_NAME = re.compile(r"epoch_\d+_step_\d+")


class FolderCheckpointIO(CheckpointIO):
    """Lightning's checkpoint I/O, with folders of safetensors and JSON."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        write_checkpoint(Path(path), checkpoint)

    def load_checkpoint(self, path: str | Path, map_location: Any | None = None, weights_only: bool | None = None) -> dict[str, Any]:
        """Read a checkpoint. Tensors are on the CPU; the caller copies them to their device."""
        checkpoint: dict[str, Any] = read_checkpoint(Path(path))
        return checkpoint

    def remove_checkpoint(self, path: str | Path) -> None:
        shutil.rmtree(path)


class CheckpointKeeper(Checkpoint):
    """Writes a checkpoint after each epoch and optionally every `every_n_steps` optimizer steps; keeps the two newest and the best.

    The best checkpoint is that of the epoch with the best `metric`, the first one in case of a tie. Checkpoints are taken between optimizer
    steps, never while gradients are accumulated, and contain the position (`mmrec.tasks.training.position`), the model, the optimizer, the
    state of early stopping, and the best epoch so far.

    SIGTERM or SIGINT stops the training with a checkpoint after the next optimizer step, or immediately during validation, by raising
    Terminated. All processes stop after the same step. A second SIGINT stops at once.

    Args:
        folder: the folder of checkpoints.
        metric: the logged name of the metric that selects the best epoch.
        every_n_steps: the interval of further checkpoints in optimizer steps. None: only after epochs.
        is_higher_better: the direction of the metric.
    """

    def __init__(self, folder: Path, metric: str, every_n_steps: int | None, is_higher_better: bool = True) -> None:
        if every_n_steps is not None and every_n_steps < 1:
            raise ValueError(f"every_n_steps: expected at least 1, or null, found {every_n_steps}")
        self.folder, self.metric, self.every_n_steps = folder, metric, every_n_steps
        self.sign = 1 if is_higher_better else -1
        self.seconds_before = 0.0  # training time before the resumed checkpoint
        self.signum: int | None = None
        self.best: dict[str, Any] | None = None
        self._kept: list[tuple[str, str | None]] = []
        self._position: Position  # position of the newest checkpoint
        self._improved = self._is_stopping = self._in_validation_step = self._in_epoch = False
        self._main_pid = os.getpid()

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self._begun = time.perf_counter()
        atexit.register(gc.freeze)  # skips the final garbage collection of spawned processes, which takes two seconds
        if trainer.is_global_zero:
            self.folder.mkdir(parents=True, exist_ok=True)
            remove_leftovers(self.folder)
        self.catch_signals(trainer)

    def catch_signals(self, trainer: Trainer) -> None:
        """Handle SIGTERM and SIGINT from now on, if this is the main thread."""
        if threading.current_thread() is not threading.main_thread():
            return

        def answer(signum: int, frame: FrameType | None) -> None:
            is_launched = os.getpid() != self._main_pid
            if signum == signal.SIGINT and is_launched and os.getppid() == self._main_pid:
                return  # sent by the terminal to the whole group; the main process decides
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
        """Restore the signal handlers `handlers`."""
        if threading.current_thread() is threading.main_thread():
            for signum, handler in handlers.items():
                signal.signal(signum, handler)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Replace Lightning's loop state by the position."""
        del checkpoint["loops"]
        checkpoint["position"], checkpoint["best"] = asdict(self._position), self.best
        checkpoint["kept"] = self._kept

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Restore the position of the checkpoint. Early stopping keeps its state, with the patience of the current settings."""
        self._position, self.best = Position(**checkpoint["position"]), checkpoint["best"]
        self._kept = [tuple(pair) for pair in checkpoint["kept"]]
        if self.best and not (self.folder / self.best["checkpoint"]).is_dir():
            self.best = None  # lost, see replace_best: the best is selected from later epochs
        restore_position(trainer, self._position)
        for stopping in trainer.early_stopping_callbacks:
            state = checkpoint["callbacks"].get(stopping.state_key, {})
            state["patience"] = stopping.patience
            trainer.should_stop |= state.get("wait_count", 0) >= stopping.patience

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.catch_signals(trainer)  # replaces Lightning's handlers, which communicate between processes at any time
        self._in_epoch, self._n_steps = False, trainer.global_step

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._end_epoch(trainer)
        self._in_epoch = True

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._end_epoch(trainer)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int) -> None:
        if trainer.global_step == self._n_steps:
            return  # gradients are accumulated with those of the next batch
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
        """Save a checkpoint if a signal interrupted validation, which is then repeated. Only the main process writes."""
        self._in_validation_step = False
        is_cut_short = self.signum is not None and trainer.validating and not isinstance(exception, KeyboardInterrupt)
        if is_cut_short and trainer.is_global_zero and (position := position_in_epoch(trainer)) is not None:
            self._write(trainer, position)

    def _end_epoch(self, trainer: Trainer) -> None:
        """Save after everything at the end of an epoch, including logging, so that it is repeated only if the process was killed before."""
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
        """Write a checkpoint, mark it if its epoch is the best, and remove checkpoints that are no longer needed."""
        callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]  # set, but not declared by Lightning
        for check in (callback for callback in callbacks if isinstance(callback, FiniteCheck)):
            check.check_pending(trainer, trainer.lightning_module)
        if bad := first_bad_value(trainer.lightning_module):
            raise DivergedError(f"training produced non-finite numbers in epoch {position.epoch}: {bad}; the last checkpoint precedes them")
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
    """The checkpoints of a training, oldest first, including damaged ones."""
    return sorted(folder.glob("epoch_*_step_*"))


def read_best(folder: Path) -> dict[str, Any] | None:
    """The checkpoint selected by validation so far, with the metric and its value; None before the first validation.

    Raises:
        DamagedCheckpoint: `best.json` does not name a checkpoint of this folder.
    """
    best = _read_json(folder / BEST)
    if best is None:
        return None
    name = best.get("checkpoint") if isinstance(best, dict) else None
    if not isinstance(best, dict) or not isinstance(name, str) or not _NAME.fullmatch(name):  # rejects paths to outside the folder
        raise DamagedCheckpoint(f"{folder / BEST}: checkpoint: expected one in this folder, such as epoch_0001_step_000000, found `{name}`")
    return best


def replace_best(folder: Path, lost: Path | None, checkpoint: Path, metric: str) -> None:
    """Rename the damaged best checkpoint, and replace it in `best.json` by another one with unknown metric value.

    `lost` is None if the name of the damaged checkpoint is unknown.
    """
    if lost is not None and lost.is_dir():
        lost.rename(lost.with_name(f"damaged_{lost.name}"))
    name = None if lost is None else lost.name
    write_json(folder / BEST, {"checkpoint": checkpoint.name, "metric": metric, "value": None, "instead_of": name})


def seconds_trained(folder: Path) -> float:
    """The training time in seconds up to the newest checkpoint; 0 if there is none."""
    seconds = _read_json(folder / SECONDS)
    return float(seconds) if isinstance(seconds, int | float) else 0.0


def _read_json(path: Path) -> Any:
    """The content of a JSON file; None if it does not exist. Raises DamagedCheckpoint if it is invalid."""
    try:
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    except (ValueError, RecursionError) as error:
        raise DamagedCheckpoint(f"{path}: expected JSON: {error}") from error


def best_checkpoint(folder: Path) -> Path:
    """The checkpoint selected by validation. Raises MissingFile if there is none, and as `read_best` does."""
    best = read_best(folder)
    if best is None:
        raise MissingFile(f"expected a checkpoint that validation chose in {folder}, and there is none")
    chosen: Path = folder / best["checkpoint"]
    if not chosen.is_dir():
        raise MissingFile(f"expected the checkpoint {chosen.name} that validation chose in {folder}, and there is none")
    return chosen
