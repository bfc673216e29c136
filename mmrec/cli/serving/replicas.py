"""The application of `mmrec serve engine=ray`, also for the configuration files of Ray Serve."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from mmrec.cli.serving.front import front_of, log_only_json, service_of
from mmrec.config.check import check
from mmrec.config.hydra.compose import compose_overrides
from mmrec.errors import ConfigError
from mmrec.files.locate import user_path
from mmrec.schemas import ServeConfig, register_schemas
from mmrec.serving.engines import Replicas, make_application, run_on_ray
from mmrec.serving.security.asgi import App
from mmrec.serving.service import Service


def application(args: Mapping[str, Any]) -> Any:
    """Make the application that a configuration file of Ray Serve names, `import_path: mmrec.cli.serving.replicas:application`.

    Args:
        args: keys of `mmrec serve` with their values; `run` has to be one of them.

    Raises:
        ConfigError: a key or a value is invalid.
    """
    cfg = compose_overrides("serve", [f"{key}={value}" for key, value in args.items()]).cfg
    check(cfg, ServeConfig)
    if cfg.run is None:
        raise ConfigError("run: expected a run folder, found none")
    cfg.run = str(user_path(cfg.run))
    return _application(cfg)


def answer_on_ray(cfg: DictConfig, port: int, ready: Callable[[str], None]) -> None:
    """Answer requests by Ray Serve on this machine, or on the cluster that RAY_ADDRESS names, until SIGINT or SIGTERM."""
    run_on_ray(_application(cfg), cfg.host, port, _at_most(cfg), lambda: ready(Path(cfg.run).name))


def _application(cfg: DictConfig) -> Any:
    at_most = _at_most(cfg)
    if at_most < cfg.workers:
        raise ConfigError(f"max_workers: expected at least workers={cfg.workers}, found {at_most}")
    return make_application(partial(_replica, cfg), cfg.run, Replicas(cfg.workers, at_most, 2 * cfg.threads))


def _at_most(cfg: DictConfig) -> int:
    """How many replicas there may be."""
    return int(cfg.workers if cfg.max_workers is None else cfg.max_workers)


def _replica(cfg: DictConfig, run: str) -> tuple[Service, App]:
    """The service of a replica, which runs in a process of Ray, and its application."""
    register_schemas()
    cfg = cfg.copy()
    cfg.run = run
    log_only_json()
    service = service_of(cfg)
    return service, front_of(cfg, service)
