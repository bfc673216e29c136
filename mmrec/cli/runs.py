"""Run folders as the verbs are given them: found, or refused with the nearest ones."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
from safetensors import SafetensorError
from yaml import YAMLError

from mmrec.errors import DataError, MissingFile


def find_run(path: str | Path) -> Path:
    """A finished run folder. Raises MissingFile, naming the runs that are there, where it is none."""
    run_dir = Path(path)
    if not (run_dir / "metrics.json").is_file():
        what = "holds no finished run (no metrics.json)" if run_dir.is_dir() else "is not there"
        others = sorted(str(p.parent) for p in run_dir.parent.glob("*/metrics.json"))[-5:]
        raise MissingFile(f"run: {run_dir} {what}" + (f"; there are {', '.join(others)}" if others else ""))
    return run_dir


@contextmanager
def read_as_run(run_dir: Path) -> Iterator[None]:
    """Raises DataError where what is read inside is not as a run has it: not of its format, or without what belongs there."""
    try:
        yield
    except (pl.exceptions.PolarsError, SafetensorError, YAMLError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise DataError(f"run: a file of {run_dir} is not as mmrec writes it: {type(error).__name__}: {error}") from error
