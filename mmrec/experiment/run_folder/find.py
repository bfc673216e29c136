"""Find the run folders that commands are given, with suggestions if they do not exist."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import yaml
from safetensors import SafetensorError

from mmrec.errors import DataError, MissingFile
from mmrec.files.locate import user_path

_LAST = ("metrics.json", "run.json")


def is_finished(run_dir: Path) -> bool:
    """Whether a run folder is complete; run.json is written last."""
    return all((run_dir / name).is_file() for name in _LAST)


def find_run(path: str | Path, key: str = "run") -> Path:
    """The path of a finished run, named in the configuration as `key`.

    Raises:
        MissingFile: it is not a finished run; the message names existing ones.
        DataError: the folder has links to outside.
    """
    run_dir = user_path(path)
    if not is_finished(run_dir):
        lacking = next((name for name in _LAST if not (run_dir / name).is_file()), "")
        what = f"has no finished run (no {lacking})" if run_dir.is_dir() else "does not exist"
        others = sorted(str(p.parent) for p in run_dir.parent.glob("*/run.json") if is_finished(p.parent))[-5:]
        raise MissingFile(f"{key}: {run_dir} {what}" + (f"; there are {', '.join(others)}" if others else ""))
    check_contents(run_dir)
    return run_dir


def newest_run(runs: Path) -> Path:
    """Return the finished run in a folder that was finished last. Raises MissingFile if there is none."""
    folder = user_path(runs)
    found = [path.parent for path in folder.glob("*/run.json") if is_finished(path.parent)]
    if not found:
        raise MissingFile(f"run: there is no finished run in {folder}; `mmrec train experiment=demo` makes one, or name one by run=…")
    return max(found, key=lambda path: (path / "run.json").stat().st_mtime)


def check_contents(run_dir: Path) -> None:
    """Raise DataError for links to outside a run folder, pipes and devices, since runs are read and resumed inside their folder.

    The files of W&B may contain any links.
    """
    root = run_dir.resolve()
    for folder, folders, names in os.walk(root):
        for path in (Path(folder) / name for name in (*folders, *names)):
            if path.is_symlink() and not path.resolve().is_relative_to(root):
                raise DataError(f"run: {path} is a link to outside of the run folder; replace it by a copy of its target")
            if path.exists() and not (path.is_file() or path.is_dir()):
                raise DataError(f"run: {path}: expected a file or a folder, found a pipe or a device; remove it")
        if Path(folder) == root / "logs" and "wandb" in folders and not (root / "logs" / "wandb").is_symlink():
            folders.remove("wandb")


@contextmanager
def convert_file_errors(run_dir: Path) -> Iterator[None]:
    """Convert exceptions about invalid content of a run's files to DataError within the block."""
    try:
        yield
    except (pl.exceptions.PolarsError, SafetensorError, yaml.YAMLError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise DataError(f"run: a file of {run_dir} is invalid: {type(error).__name__}: {error}") from error
