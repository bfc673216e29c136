"""Run one training: trainer, callbacks and loggers, resumption, and termination by signals."""

import logging
import re
import signal
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, cast

import mmrec._torchvision  # noqa: F401  first: the imports below may reach torchvision

from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint, EarlyStopping, RichProgressBar, Timer
from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException

from mmrec import errors
from mmrec.argument_errors import name_key_in_errors
from mmrec.errors import DamagedCheckpoint, MmrecError, Terminated
from mmrec.experiment.run_folder.files import checkpoint_folder
from mmrec.experiment.settings import SplitData, TrainingSettings
from mmrec.files.checkpoint import check_weights, newest_sound, read_checkpoint
from mmrec.models.recommender import Recommender
from mmrec.tasks.checkpoints import (
    BEST,
    SECONDS,
    CheckpointKeeper,
    FolderCheckpointIO,
    best_checkpoint,
    checkpoints_in,
    read_best,
    replace_best,
    seconds_trained,
)
from mmrec.tasks.multi.multi_task import STATE
from mmrec.tasks.task import Task
from mmrec.tasks.training.finite import FiniteCheck
from mmrec.terminal import messages_are_shown, show_messages

_log = logging.getLogger(__name__)
_ERROR = re.compile(r"^mmrec\.errors\.(\w+): (.*)\Z", re.MULTILINE | re.DOTALL)


def fit(settings: TrainingSettings, task: Task, data: SplitData, folder: Path, callbacks: Sequence[Callback] = ()) -> float:
    """Train from the start, or for a resumed run from its newest valid checkpoint, until the epoch limit or early stopping.

    Args:
        settings: the settings of the training.
        task: the task with its model.
        data: the data module.
        folder: the folder of checkpoints.
        callbacks: further callbacks of the trainer.

    Returns:
        The training time in seconds, including that before the checkpoint.

    Raises:
        Terminated: a signal stopped the training, after a checkpoint was written.
    """
    begun, start = time.perf_counter(), resume_from(settings, task.state_dict(), [f"model.{name}" for name in task.model.later_state])
    if settings.resume is None:
        _remove_checkpoints(folder)
    trainer = make_trainer(settings, folder)
    trainer.callbacks += callbacks  # type: ignore[attr-defined]  # set, but not declared by Lightning
    keeper = next(callback for callback in trainer.checkpoint_callbacks if isinstance(callback, CheckpointKeeper))
    keeper.seconds_before = seconds_trained(start.parent) if start else 0.0
    with _signals_caught(keeper, trainer):
        try:
            trainer.fit(task, datamodule=cast("LightningDataModule", data), ckpt_path=start, weights_only=True)
        except Terminated:
            raise
        except SystemExit:  # raised by Lightning on Ctrl-C, without a message
            raise KeyboardInterrupt from None
        except (ProcessExitedException, ProcessRaisedException) as error:
            _explain(error, keeper)
        finally:
            data.teardown("fit")  # Lightning only does so without exceptions
    if keeper.signum is not None:
        raise Terminated(keeper.signum)
    return keeper.seconds_before + time.perf_counter() - begun


def _explain(error: ProcessExitedException | ProcessRaisedException, keeper: CheckpointKeeper) -> None:
    """Raise the error of a training process; user errors as such."""
    if keeper.signum is not None or getattr(error, "exit_code", None) == 128 + signal.SIGTERM:
        raise Terminated(keeper.signum or signal.SIGTERM) from error
    if told := _ERROR.search(error.msg):
        raise getattr(errors, told[1], MmrecError)(told[2].strip()) from error
    raise error


def make_trainer(settings: TrainingSettings, folder: Path) -> Trainer:
    """Create a Lightning trainer with early stopping and checkpoints in `folder`, both by the validation metric."""
    metric, patience, with_bar = settings.selection.metric, settings.selection.patience, settings.progress_bar
    is_higher_better = settings.measures.sign(metric) > 0
    callbacks: list[Callback] = [
        FiniteCheck(),
        EarlyStopping(metric, mode="max" if is_higher_better else "min", patience=patience, check_finite=True),
        *_shown(settings, metric),
        name_key_in_errors("checkpoint", lambda: CheckpointKeeper(folder, metric, settings.every_n_steps, is_higher_better)),
    ]
    more = {"callbacks": callbacks, "plugins": [FolderCheckpointIO()], "enable_progress_bar": with_bar}  # otherwise it adds its own bar
    return settings.trainer(logger=settings.loggers(_version(settings)), **more)


def _shown(settings: TrainingSettings, metric: str) -> list[Callback]:
    """The callback that reports epochs, or, for a trial, the one that limits its time."""
    if settings.trial_seconds is not None:
        timer = Timer(timedelta(seconds=settings.trial_seconds), interval="epoch", verbose=False)
        return [timer] if settings.prune is None else [timer, _Pruning(metric, settings.prune)]
    return [RichProgressBar() if settings.progress_bar else _EpochLines(metric)]


def quiet_lightning() -> None:
    """Silence irrelevant messages of Lightning and MLflow. To be called after importing Lightning, which resets its settings."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    logging.getLogger("lightning.pytorch.loggers.mlflow").setLevel(logging.ERROR)  # that a new file has no experiment yet
    for name in ("mlflow", "alembic"):  # the steps by which MLflow makes its tables
        logging.getLogger(name).setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message="MLFlow only allows", category=RuntimeWarning)  # of each name with an @
    warnings.filterwarnings("ignore", message=r".isinstance\(treespec, LeafSpec\). is deprecated", category=FutureWarning)


def load_best(model: Recommender, folder: Path) -> None:
    """Load the weights selected by validation. Only tensors and plain values are read from the files."""
    remedy = f"`mmrec train resume={folder.parent.parent}` sets it aside and finishes the run with the best remaining checkpoint"
    try:
        state = read_checkpoint(best := best_checkpoint(folder))["state_dict"]
        model.load_state_dict({name.removeprefix("model."): value for name, value in state.items() if not name.startswith(STATE)})
    except DamagedCheckpoint as error:
        raise DamagedCheckpoint(f"{error}; {remedy}") from error
    except (AttributeError, KeyError, RuntimeError, TypeError) as error:
        raise DamagedCheckpoint(f"{best}: it has no weights of this model: {' '.join(str(error).split())}; {remedy}") from error


def resume_from(settings: TrainingSettings, weights: Mapping[str, Any], may_lack: Sequence[str] = ()) -> Path | None:
    """The newest valid checkpoint of the seed in a resumed run; None, with a log message, if there is none yet.

    A valid checkpoint is undamaged and has `weights` of these names and shapes, some of which it `may_lack`. Damaged ones are reported and
    renamed; if the one selected by validation is damaged, the newest valid one replaces it.

    Raises:
        DamagedCheckpoint: there are only damaged checkpoints.
    """
    if settings.resume is None:
        return None
    folder, check = checkpoint_folder(settings.resume, settings.seed), partial(check_weights, expected=weights, may_lack=may_lack)
    found = checkpoints_in(folder)
    newest, problems = newest_sound(found, check)
    for problem in problems:
        _log.info(f"  {problem}")
    if newest is None and problems:
        raise DamagedCheckpoint(f"resume: all checkpoints of {settings.resume} are damaged: {problems[0]}")
    for damaged in found[len(found) - len(problems) :]:
        damaged.rename(damaged.with_name(f"damaged_{damaged.name}"))
    if newest is not None:
        _restore_best(folder, newest, check, settings.selection.metric)
    _log.info(f"seed {settings.seed}: {f'resumed from {newest.name}' if newest else 'no checkpoint yet, starting from the beginning'}")
    return newest


def _restore_best(folder: Path, newest: Path, check: Callable[[Path], None], metric: str) -> None:
    """Replace the checkpoint selected by validation by the newest one, if it is damaged."""
    lost = None
    try:
        if (best := read_best(folder)) is not None and best["checkpoint"] != newest.name:
            lost = folder / best["checkpoint"]
            check(lost)
    except DamagedCheckpoint as error:
        _log.info(f"  {error}; it was selected by validation, and is replaced by the best remaining checkpoint")
        replace_best(folder, lost, newest, metric)


@contextmanager
def _signals_caught(keeper: CheckpointKeeper, trainer: Trainer) -> Iterator[None]:
    """Let the keeper handle signals, also in a process that waits for training processes, and restore the handlers afterwards."""
    before = {signum: signal.getsignal(signum) for signum in (signal.SIGTERM, signal.SIGINT)}
    keeper.catch_signals(trainer)
    try:
        yield
    finally:
        keeper.release_signals(before)


def _remove_checkpoints(folder: Path) -> None:
    """Remove the checkpoints of an earlier training in the same folder, which is not resumed."""
    for path in checkpoints_in(folder):
        FolderCheckpointIO().remove_checkpoint(path)
    for name in (BEST, SECONDS):
        (folder / name).unlink(missing_ok=True)


class _EpochLines(Checkpoint):
    """Logs one line per epoch if there is no terminal for a progress bar. Lightning calls a Checkpoint after the task has logged."""

    def __init__(self, metric: str) -> None:
        self.metric, self.is_shown = metric, messages_are_shown()

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if self.is_shown:  # spawned training processes do not inherit log handlers
            show_messages()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        values = trainer.callback_metrics
        if trainer.is_global_zero:
            _log.info(
                f"epoch {trainer.current_epoch}: loss {values['train/loss']:.4f}, {self.metric} {values.get(self.metric, float('nan')):.4f}"
            )


class _Pruning(Checkpoint):
    """Ends the training after an epoch if a rule says so. Lightning calls a Checkpoint after the task has logged."""

    def __init__(self, metric: str, prune: Callable[[float], bool]) -> None:
        self.metric, self.prune = metric, prune

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        value = trainer.callback_metrics.get(self.metric)
        if value is not None and self.prune(float(value)):
            trainer.should_stop = True


def _version(settings: TrainingSettings) -> str:
    """The version of log files: since loggers start new files, logs of a resumed training get a separate version."""
    return f"seed_{settings.seed}" + ("" if settings.resume is None else f"-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}")
