"""Name the folder of a new run."""

import os
from datetime import UTC, datetime
from pathlib import Path

from omegaconf import DictConfig, open_dict

from mmrec.config.values import flat, plain
from mmrec.errors import ConfigError
from mmrec.files.storage import check_writable


def free_run_dir(runs: Path, data: str, split: str) -> Path:
    """Return the path of a new run folder below `runs`, named after the data, the split and the time."""
    name = f"{data}-{split}-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}"  # a sweep may start several at once
    taken = [name, *(f"{name}-{n}" for n in range(2, 1000))]
    return next(path for path in (runs / one for one in taken) if not path.exists())


def name_run_dir(cfg: DictConfig) -> Path:
    """The path of the run folder, a new one unless it was given; also set in the configuration.

    Raises:
        ConfigError: the folder is used for something else.
        StorageError: the folder is not writable.
    """
    key = "paths.runs" if cfg.run_dir is None else "run_dir"
    if cfg.run_dir is None:
        data, split = (node["_target_"].rpartition(".")[2] for node in (cfg.data, cfg.split))
        data = Path(cfg.data.path).resolve().name if "path" in cfg.data else data
        with open_dict(cfg):
            cfg.run_dir = str(free_run_dir(Path(cfg.paths.runs), data, split))
    path = Path(cfg.run_dir)
    for other, value in flat({"data": plain(cfg)["data"], "paths": {"cache": cfg.paths.cache}}):
        if isinstance(value, str) and path.is_dir() and os.path.realpath(os.path.expanduser(value)) == os.path.realpath(path):
            raise ConfigError(
                f"run_dir: {path} is the folder of {other}, which a run would overwrite; name another folder, or none for a new one"
            )
    check_writable(path, key)
    return path
