"""The service and the application of a configuration of `mmrec serve`."""

import logging
from pathlib import Path

from omegaconf import DictConfig

from mmrec.api.runs import open_run
from mmrec.config.hydra.from_overrides import places_of
from mmrec.files.locate import user_path
from mmrec.serving.events.store_urls import with_secrets
from mmrec.serving.monitoring.logs import log_as_json
from mmrec.serving.security import ApiKeys, Limits
from mmrec.serving.security.asgi import App
from mmrec.serving.service import Service


def service_of(cfg: DictConfig) -> Service:
    """Open the run and the store of a configuration of `mmrec serve`."""
    store = cfg.store or f"sqlite:///{Path(cfg.paths.runs).expanduser().resolve() / 'events.sqlite'}"
    store, user_key = with_secrets(store, cfg.store_password_file, cfg.user_key_file)
    service: Service = open_run(cfg.run, *places_of(cfg)).service(store, cfg.index, user_key)
    return service


def front_of(cfg: DictConfig, service: Service) -> App:
    """Make the application of a service, with keys and limits."""
    from mmrec.serving.api.front import make_front

    keys = None if cfg.api_keys is None else ApiKeys(user_path(cfg.api_keys))
    return make_front(service, cfg.threads, keys, Limits(cfg.rate_per_s, request_timeout_s=cfg.request_timeout_s))


def log_only_json() -> None:
    """Write logs as JSON from now on, in place of messages for a person."""
    for name in ("mmrec", "uvicorn"):
        logging.getLogger(name).handlers.clear()
        log_as_json(logging.getLogger(name))
