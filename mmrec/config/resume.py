"""Validate the key `resume` of `mmrec train` before the slow imports."""

from pathlib import Path

from omegaconf import DictConfig

from mmrec.errors import MissingFile


def check_resume(cfg: DictConfig) -> None:
    """Raise MissingFile if `resume` is set and is not a run folder."""
    if cfg.resume is not None and not (path := Path(cfg.resume) / "config.yaml").is_file():
        raise MissingFile(f"resume: expected the configuration of a run at {path}, which does not exist")
