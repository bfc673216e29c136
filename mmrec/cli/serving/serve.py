"""The command `mmrec serve run=… port=8000`: answer requests with a run."""

import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path

from omegaconf import DictConfig

from mmrec.api.console import console_output
from mmrec.cli.process.messages import errors_as_messages
from mmrec.cli.process.terminate import end_on_sigterm
from mmrec.cli.serving.front import front_of, log_only_json, service_of
from mmrec.cli.serving.replicas import answer_on_ray
from mmrec.config.check import check
from mmrec.errors import ConfigError, Terminated, nearest
from mmrec.experiment.run_folder.find import newest_run
from mmrec.extras import needs
from mmrec.files.locate import user_path
from mmrec.schemas import ServeConfig, register_schemas
from mmrec.serving.engines import run_processes
from mmrec.serving.security import ApiKeys, check_exposure
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
            log_only_json()

        if cfg.engine == RAY:
            opened.close()  # Ray listens by itself
            answer_on_ray(cfg, port, ready)
        elif cfg.workers == 1:
            _answer(cfg, opened, ready)
        else:
            run_processes(partial(_work, cfg), opened, cfg.workers, ready)


def _work(cfg: DictConfig, opened: socket.socket, ready: Callable[[str], None]) -> None:
    """What one of several processes does, which is spawned, so that nothing is set up yet."""

    def started(version: str) -> None:
        log_only_json()
        ready(version)

    with errors_as_messages("serve"), end_on_sigterm(), console_output():
        register_schemas()
        try:
            _answer(cfg, opened, started)
        except (Terminated, KeyboardInterrupt) as end:  # of which the first process tells
            raise SystemExit(getattr(end, "code", 130)) from None


def _answer(cfg: DictConfig, opened: socket.socket, ready: Callable[[str], None]) -> None:
    """Answer the requests that come to a socket; `ready` is called with the version of the model before."""
    from mmrec.serving.api.server import run_server

    service = service_of(cfg)
    try:
        front = front_of(cfg, service)
        ready(service.model.version)
        run_server(front, opened)
    finally:
        service.store.close()
