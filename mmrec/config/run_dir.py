"""The folder of a run that begins."""

import os
from datetime import UTC, datetime
from pathlib import Path

from omegaconf import DictConfig, open_dict

from mmrec.config.values import flat, plain
from mmrec.errors import ConfigError
from mmrec.files.storage import check_writable


def name_run_dir(cfg: DictConfig) -> Path:
    """The path of the run folder, which is not there yet unless it was named; the configuration is given it.

    Raises ConfigError for a folder of something else, StorageError for one that cannot be written.
    """
    key = "paths.runs" if cfg.run_dir is None else "run_dir"
    if cfg.run_dir is None:
        data, split = (node["_target_"].rpartition(".")[2] for node in (cfg.data, cfg.split))
        data = Path(cfg.data.path).resolve().name if "path" in cfg.data else data
        name = f"{data}-{split}-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}"  # a sweep may start several at once
        taken = [name, *(f"{name}-{n}" for n in range(2, 1000))]
        with open_dict(cfg):
            cfg.run_dir = str(next(path for path in (Path(cfg.paths.runs) / one for one in taken) if not path.exists()))
    path = Path(cfg.run_dir)
    for other, value in flat({"data": plain(cfg)["data"], "paths": {"cache": cfg.paths.cache}}):
        if isinstance(value, str) and path.is_dir() and os.path.realpath(os.path.expanduser(value)) == os.path.realpath(path):
            raise ConfigError(f"run_dir: {path} is the folder of {other}, which a run would spoil; name another, or none for a new one")
    check_writable(path, key)
    return path
