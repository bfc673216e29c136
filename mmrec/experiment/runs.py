"""Run folders as the verbs are given them: found, or refused with the nearest ones."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import yaml
from omegaconf import DictConfig, OmegaConf
from safetensors import SafetensorError

from mmrec.errors import DataError, MissingFile
from mmrec.experiment.older_baselines import translate_baselines
from mmrec.renames import rename_targets

_BEFORE = {
    "linear": None,
    "trend": None,
    "evidence": {"others": True},
    "filter": {"min_rating": None, "repeated": "first", "min_per_user": 1, "min_per_item": 1},
    "features": {"engine": "local", "n_workers": 1, "store": None},
    "evaluation": {"auc": False, "item_column": None},
    "checkpoint": {"every_n_steps": None},
    "trust_run": False,
}
"""What keys stand for in a run that is older than they are: whatever mmrec did without them, which need not be their default."""
_LAST = ("metrics.json", "run.json")
_MAX_BYTES = 2**20


def is_finished(run_dir: Path) -> bool:
    """Whether a run folder has all that measuring needs; of that training writes run.json last."""
    return all((run_dir / name).is_file() for name in _LAST)


def find_run(path: str | Path) -> Path:
    """A finished run folder.

    Raises MissingFile, naming the runs that are there, where it is none, DataError where it leads out of itself.
    """
    run_dir = Path(path)
    if not is_finished(run_dir):
        lacking = next((name for name in _LAST if not (run_dir / name).is_file()), "")
        what = f"holds no finished run (no {lacking})" if run_dir.is_dir() else "is not there"
        others = sorted(str(p.parent) for p in run_dir.parent.glob("*/run.json") if is_finished(p.parent))[-5:]
        raise MissingFile(f"run: {run_dir} {what}" + (f"; there are {', '.join(others)}" if others else ""))
    check_contents(run_dir)
    return run_dir


def check_contents(run_dir: Path) -> None:
    """Raises DataError for a link that leads out of a run folder, and for pipes and devices: a run is read and resumed inside its folder.

    What W&B keeps for itself may link to wherever it likes.
    """
    root = run_dir.resolve()
    for folder, folders, names in os.walk(root):
        for path in (Path(folder) / name for name in (*folders, *names)):
            if path.is_symlink() and not path.resolve().is_relative_to(root):
                raise DataError(f"run: {path} is a link out of the run folder; put a copy of what is meant in its place")
            if path.exists() and not (path.is_file() or path.is_dir()):
                raise DataError(f"run: {path}: expected a file or a folder, found a pipe or a device; remove it")
        if Path(folder) == root / "logs" and "wandb" in folders and not (root / "logs" / "wandb").is_symlink():
            folders.remove("wandb")


def saved_config(run_dir: Path) -> DictConfig:
    """The configuration of a run, with the keys that came to mmrec since and the names that its targets have today.

    Whom to trust is for whoever reads the run to say, not for its files: `trusted_packages` is empty. mmrec writes no aliases. They are
    refused before anything is built: a few lines of them can stand for more than any memory holds. Raises YAMLError or ValueError where
    the file is no configuration.
    """
    path = run_dir / "config.yaml"
    if path.stat().st_size > _MAX_BYTES:
        raise ValueError(f"{path} has {path.stat().st_size:,} bytes; mmrec writes some thousand, and reads at most {_MAX_BYTES:,}")
    text = path.read_text(encoding="utf-8")
    if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, yaml.SafeLoader)):
        raise ValueError(f"aliases (`*name`) are not taken in {path}; write out what they stand for")
    saved = OmegaConf.create(text)
    if not isinstance(saved, DictConfig):
        raise ValueError(f"expected keys with values in {path}")
    saved = OmegaConf.create(rename_targets(OmegaConf.to_container(saved, resolve=False)))
    if isinstance(saved.get("baselines"), DictConfig):
        saved.baselines = translate_baselines(OmegaConf.to_container(saved.baselines, resolve=False))
    return OmegaConf.merge(saved, OmegaConf.merge(_BEFORE, saved), {"trusted_packages": []})


@contextmanager
def read_as_run(run_dir: Path) -> Iterator[None]:
    """Raises DataError where what is read inside is not as a run has it: not of its format, or without what belongs there."""
    try:
        yield
    except (pl.exceptions.PolarsError, SafetensorError, yaml.YAMLError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise DataError(f"run: a file of {run_dir} is not as mmrec writes it: {type(error).__name__}: {error}") from error
