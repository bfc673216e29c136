"""The command `mmrec serve run=… port=8000`: answer requests with a run."""

import logging
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path

from omegaconf import DictConfig

from mmrec.api.console import console_output
from mmrec.api.runs import open_run
from mmrec.cli.process.messages import errors_as_messages
from mmrec.cli.process.terminate import end_on_sigterm
from mmrec.config.check import check
from mmrec.config.hydra.from_overrides import places_of
from mmrec.errors import ConfigError, nearest
from mmrec.experiment.run_folder.find import newest_run
from mmrec.extras import needs
from mmrec.files.locate import user_path
from mmrec.schemas import ServeConfig, register_schemas
from mmrec.serving.engines import Replicas, make_application, run_on_ray, run_processes
from mmrec.serving.events.store_urls import read_user_key, with_password
from mmrec.serving.monitoring.logs import log_as_json
from mmrec.serving.security import ApiKeys, Limits, check_exposure
from mmrec.serving.security.asgi import App
from mmrec.serving.service import Service
from mmrec.terminal import say

PROCESSES, RAY = ENGINES = ("processes", "ray")


@console_output()
def serve(cfg: DictConfig) -> None:
    """Serve a run, or the newest one, until SIGINT or SIGTERM.

    Raises:
        ConfigError: a value is invalid, or the port is in use.
        MissingFile: there is no finished run.
        MissingExtra: FastAPI is not installed.
    """
    check(cfg, ServeConfig)
    if cfg.engine not in ENGINES:
        raise ConfigError(f"engine: expected one of {', '.join(ENGINES)}, found `{cfg.engine}`; {nearest(cfg.engine, ENGINES)}")
    with needs("serve", "mmrec serve"):
        from mmrec.serving.api.server import listen
    cfg = cfg.copy()
    cfg.run = str(user_path(newest_run(Path(cfg.paths.runs)) if cfg.run is None else cfg.run))
    check_exposure(cfg.host, None if cfg.api_keys is None else ApiKeys(user_path(cfg.api_keys)))
    with listen(cfg.host, cfg.port) as opened:  # before what takes long
        host, port = f"[{cfg.host}]" if ":" in cfg.host else cfg.host, opened.getsockname()[1]
        ended_by = "Ctrl-C ends it" if cfg.workers == 1 and cfg.engine != RAY else f"in {cfg.workers} processes; Ctrl-C ends them"

        def ready(version: str) -> None:
            say(f"serving {version} at http://{host}:{port}, documented at /docs; {ended_by}")
            _log_as_json()

        if cfg.engine == RAY:
            opened.close()  # Ray listens by itself
            _answer_on_ray(cfg, port, ready)
        elif cfg.workers == 1:
            _answer(cfg, opened, ready)
        else:
            run_processes(partial(_work, cfg), opened, cfg.workers, ready)


def _answer_on_ray(cfg: DictConfig, port: int, ready: Callable[[str], None]) -> None:
    at_most = cfg.workers if cfg.max_workers is None else cfg.max_workers
    if at_most < cfg.workers:
        raise ConfigError(f"max_workers: expected at least workers={cfg.workers}, found {at_most}")
    application = make_application(partial(_replica, cfg), cfg.run, Replicas(cfg.workers, at_most, 2 * cfg.threads))
    run_on_ray(application, cfg.host, port, at_most, lambda: ready(Path(cfg.run).name))


def _replica(cfg: DictConfig, run: str) -> tuple[Service, App]:
    """The service of a replica, which runs in a process of Ray, and its application."""
    register_schemas()
    cfg = cfg.copy()
    cfg.run = run
    _log_as_json()
    service = _service(cfg)
    return service, _front(cfg, service)


def _work(cfg: DictConfig, opened: socket.socket, ready: Callable[[str], None]) -> None:
    """What one of several processes does, which is spawned, so that nothing is set up yet."""

    def started(version: str) -> None:
        _log_as_json()
        ready(version)

    with errors_as_messages("serve"), end_on_sigterm(), console_output():
        register_schemas()
        _answer(cfg, opened, started)


def _answer(cfg: DictConfig, opened: socket.socket, ready: Callable[[str], None]) -> None:
    """Answer the requests that come to a socket; `ready` is called with the version of the model before."""
    from mmrec.serving.api.server import run_server

    service = _service(cfg)
    try:
        front = _front(cfg, service)
        ready(service.model.version)
        run_server(front, opened)
    finally:
        service.store.close()


def _service(cfg: DictConfig) -> Service:
    store = cfg.store or f"sqlite:///{Path(cfg.paths.runs).expanduser().resolve() / 'events.sqlite'}"
    if cfg.store_password_file is not None:
        store = with_password(store, user_path(cfg.store_password_file))
    user_key = None if cfg.user_key_file is None else read_user_key(user_path(cfg.user_key_file))
    service: Service = open_run(cfg.run, *places_of(cfg)).service(store, cfg.index, user_key)
    return service


def _front(cfg: DictConfig, service: Service) -> App:
    from mmrec.serving.api.front import make_front

    keys = None if cfg.api_keys is None else ApiKeys(user_path(cfg.api_keys))
    return make_front(service, cfg.threads, keys, Limits(cfg.rate_per_s, request_timeout_s=cfg.request_timeout_s))


def _log_as_json() -> None:
    for name in ("mmrec", "uvicorn"):
        logging.getLogger(name).handlers.clear()
        log_as_json(logging.getLogger(name))
