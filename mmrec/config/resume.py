"""Validate the key `resume` of `mmrec train` before the slow imports."""

import json
from pathlib import Path

from omegaconf import DictConfig

from mmrec.errors import ConfigError, MissingFile


def check_resume(cfg: DictConfig) -> None:
    """Raise MissingFile if `resume` is set and is not a run folder, and ConfigError if it is an update."""
    if cfg.resume is None:
        return
    if not (path := Path(cfg.resume) / "config.yaml").is_file():
        raise MissingFile(f"resume: expected the configuration of a run at {path}, which does not exist")
    if _is_update(Path(cfg.resume) / "run.json"):
        raise ConfigError(
            f"resume: {cfg.resume} is an update of another run, and complete; continue it with `mmrec update run={cfg.resume}`"
        )


def _is_update(path: Path) -> bool:
    """Whether a run was written by `mmrec update`."""
    try:
        return "update" in json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError, RecursionError):
        return False
