"""Run folders as the verbs are given them: found, or refused with the nearest ones."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
from omegaconf import DictConfig, OmegaConf
from safetensors import SafetensorError
from yaml import YAMLError

from mmrec.errors import DataError, MissingFile
from mmrec.renames import rename_targets

_BEFORE = {
    "linear": None,
    "trend": None,
    "evidence": {"others": True},
    "filter": {"min_rating": None, "repeated": "first", "min_per_user": 1, "min_per_item": 1},
    "features": {"engine": "local", "n_workers": 1, "store": None},
    "evaluation": {"auc": False, "item_column": None},
    "checkpoint": {"every_n_steps": None},
}
"""What keys stand for in a run that is older than they are: whatever mmrec did without them, which need not be their default."""


def find_run(path: str | Path) -> Path:
    """A finished run folder. Raises MissingFile, naming the runs that are there, where it is none."""
    run_dir = Path(path)
    if not (run_dir / "metrics.json").is_file():
        what = "holds no finished run (no metrics.json)" if run_dir.is_dir() else "is not there"
        others = sorted(str(p.parent) for p in run_dir.parent.glob("*/metrics.json"))[-5:]
        raise MissingFile(f"run: {run_dir} {what}" + (f"; there are {', '.join(others)}" if others else ""))
    return run_dir


def saved_config(run_dir: Path) -> DictConfig:
    """The configuration of a run, with the keys that came to mmrec since and the names that its targets have today.

    Whom to trust is for whoever reads the run to say, not for its files: `trusted_packages` is empty. Raises YAMLError or ValueError where
    the file is no configuration.
    """
    saved = OmegaConf.load(run_dir / "config.yaml")
    if not isinstance(saved, DictConfig):
        raise ValueError(f"expected keys with values in {run_dir / 'config.yaml'}")
    saved = OmegaConf.create(rename_targets(OmegaConf.to_container(saved, resolve=False)))
    return OmegaConf.merge(saved, OmegaConf.merge(_BEFORE, saved), {"trusted_packages": []})


@contextmanager
def read_as_run(run_dir: Path) -> Iterator[None]:
    """Raises DataError where what is read inside is not as a run has it: not of its format, or without what belongs there."""
    try:
        yield
    except (pl.exceptions.PolarsError, SafetensorError, YAMLError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise DataError(f"run: a file of {run_dir} is not as mmrec writes it: {type(error).__name__}: {error}") from error
