"""The command `mmrec serve run=… port=8000`: answer requests with a run."""

import logging
from pathlib import Path

from omegaconf import DictConfig

from mmrec.api.console import console_output
from mmrec.api.runs import open_run
from mmrec.config.check import check
from mmrec.config.hydra.from_overrides import places_of
from mmrec.experiment.run_folder.find import newest_run
from mmrec.extras import needs
from mmrec.files.locate import user_path
from mmrec.schemas import ServeConfig
from mmrec.serving.events.store_urls import read_user_key
from mmrec.serving.monitoring.logs import log_as_json
from mmrec.serving.security import ApiKeys, Limits, check_exposure
from mmrec.terminal import say


@console_output()
def serve(cfg: DictConfig) -> None:
    """Serve a run, or the newest one, until SIGINT or SIGTERM.

    Raises:
        ConfigError: a value is invalid, or the port is in use.
        MissingFile: there is no finished run.
        MissingExtra: FastAPI is not installed.
    """
    check(cfg, ServeConfig)
    with needs("serve", "mmrec serve"):
        from mmrec.serving.api.front import make_front
        from mmrec.serving.api.server import listen, run_server
    folder = newest_run(Path(cfg.paths.runs)) if cfg.run is None else cfg.run
    keys = None if cfg.api_keys is None else ApiKeys(user_path(cfg.api_keys))
    check_exposure(cfg.host, keys)
    user_key = None if cfg.user_key_file is None else read_user_key(user_path(cfg.user_key_file))
    limits = Limits(cfg.rate_per_s, request_timeout_s=cfg.request_timeout_s)
    with listen(cfg.host, cfg.port) as opened:  # before what takes long
        store = cfg.store or f"sqlite:///{Path(cfg.paths.runs).expanduser().resolve() / 'events.sqlite'}"
        service = open_run(folder, *places_of(cfg)).service(store, cfg.index, user_key)
        host = f"[{cfg.host}]" if ":" in cfg.host else cfg.host
        say(f"serving {service.model.version} at http://{host}:{opened.getsockname()[1]}, documented at /docs; Ctrl-C ends it")
        try:
            for name in ("mmrec", "uvicorn"):
                logging.getLogger(name).handlers.clear()
                log_as_json(logging.getLogger(name))
            run_server(make_front(service, cfg.threads, keys, limits), opened)
        finally:
            service.store.close()
