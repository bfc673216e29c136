"""The run that a configuration of `mmrec train` resumes, as far as it can be refused before anything else is imported."""

from pathlib import Path

from omegaconf import DictConfig

from mmrec.errors import MissingFile


def check_resume(cfg: DictConfig) -> None:
    """Raise MissingFile where `resume` names no run folder; does nothing for a run that begins."""
    if cfg.resume is not None and not (path := Path(cfg.resume) / "config.yaml").is_file():
        raise MissingFile(f"resume: expected the configuration of a run at {path}, and there is no such file")
