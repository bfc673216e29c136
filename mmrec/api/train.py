"""The function `mmrec.train`, the equivalent of the command `mmrec train`."""

import re
import shutil
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmrec.config.hydra.from_overrides import to_overrides, train_settings_of, train_settings_of_dataset
from mmrec.errors import ConfigError, Terminated

if TYPE_CHECKING:
    from mmrec.experiment.run.run import Run
    from mmrec.experiment.settings import TrainSettings
    from mmrec.types import Dataset


def train(
    *words_or_dataset: "str | Dataset",
    out: str | Path | None = None,
    evidence: Mapping[str, bool | str] | None = None,
    verbose: bool = False,
    **settings: Any,
) -> "Run":
    """Train a model, compare it with baselines, and return the finished run.

    Args:
        words_or_dataset: overrides as on the command line, such as `"experiment=demo"` or `"trainer.max_epochs=5"`. A dataset may come
            first; it is then stored in the run folder.
        out: the run folder; None for a new one below `paths.runs`.
        evidence: whether the model may use each kind of evidence: True, False, or a change (`"shuffled"`, `"noise"`).
        verbose: whether to print messages, progress and the table at the end, as the command line does.
        settings: further overrides: `split="global_time"` is equivalent to `"split=global_time"`, and `trainer={"max_epochs": 5}` to
            `"trainer.max_epochs=5"`. Later overrides take precedence, and keywords come after positional ones.

    Returns:
        The run, whose folder contains all results.

    Raises:
        ConfigError: a name or value is invalid; the message has the nearest valid one.
        MmrecError: any other user error, with the message of the command line.
        KeyboardInterrupt: on Ctrl-C, after writing a checkpoint; the message says how to resume.
    """
    from mmrec.api.console import console_output_if
    from mmrec.api.process_state import preserve_process_state
    from mmrec.api.runs import open_run

    dataset, words = _parted(words_or_dataset)
    given = {"evidence": dict(evidence or {})} if evidence else {}
    words += to_overrides(given | settings | ({} if out is None else {"run_dir": str(out)}))
    with preserve_process_state(), console_output_if(verbose):
        with _interruptible():
            folder = _train_words(words, verbose) if dataset is None else _train_dataset(dataset, words, verbose)
        if verbose:
            _show(folder)
    return open_run(folder)


def _parted(given: "tuple[str | Dataset, ...]") -> "tuple[Dataset | None, list[str]]":
    """Split the positional arguments into the dataset, if the first one is a dataset, and the overrides."""
    first = [one for one in given[:1] if not isinstance(one, str)]
    words = given[len(first) :]
    for word in words:
        if not isinstance(word, str):
            raise ConfigError(f"expected words such as 'split=global_time' after the dataset, found {type(word).__name__}")
    if first and not hasattr(first[0], "interactions"):
        raise ConfigError(f"expected a dataset or words such as 'data=movielens_100k', found {type(first[0]).__name__}; see mmrec.Dataset")
    return (first[0] if first else None), [str(word) for word in words]


def _train_words(words: list[str], verbose: bool) -> Path:
    return _train(train_settings_of(words), verbose)


def _train_dataset(dataset: "Dataset", words: list[str], verbose: bool) -> Path:
    from mmrec.data.folder.write import folder_keys, write_dataset
    from mmrec.experiment.run_folder.find import is_finished

    settings, folder = train_settings_of_dataset(words, dataset.name, folder_keys(dataset))
    run_dir, is_new = settings.run_dir, not settings.run_dir.exists()
    if is_finished(run_dir):
        raise ConfigError(f"out: {run_dir} holds a finished run; name another folder, or none for a new one")
    write_dataset(dataset, folder)
    try:
        return _train(settings, verbose)
    except Exception:
        if not (run_dir / "config.yaml").is_file():  # rejected before the start
            shutil.rmtree(run_dir if is_new else folder)
        raise


def _train(settings: "TrainSettings", verbose: bool) -> Path:
    from mmrec.config.settings import without_progress_bar
    from mmrec.experiment.train import train as run

    return run(settings if verbose else without_progress_bar(settings))


def _show(folder: Path) -> None:
    from mmrec.evaluation.compare.against_baselines import headlines
    from mmrec.evaluation.pages.terminal import console_table
    from mmrec.files.storage import read_json
    from mmrec.terminal import say, show

    metrics = read_json(folder / "metrics.json")
    names = (name for name in next(iter(metrics["models"].values())) if name.startswith("test/"))
    show(console_table(metrics, headlines(name.removeprefix("test/") for name in names)))
    report = folder / "report.html"
    say(f"report: {report}" if report.is_file() else f"run: {folder}")


@contextmanager
def _interruptible() -> Iterator[None]:
    """Convert Terminated by Ctrl-C to KeyboardInterrupt; on the command line it determines the exit code instead."""
    try:
        yield
    except Terminated as end:
        if end.signum != signal.SIGINT:
            raise
        detail = re.sub(r"`mmrec train resume=(.*)` continues", r'`mmrec.train("resume=\1")` continues', str(end))
        raise KeyboardInterrupt(detail) from None
