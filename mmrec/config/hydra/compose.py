"""Compose a configuration without changing the global state of Hydra, which the calling program may use."""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.version import VersionBase
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mmrec.config.hydra.errors import explain
from mmrec.config.hydra.external_config import check_config_dirs
from mmrec.config.hydra.internals import get_args_parser
from mmrec.config.hydra.overrides import prepare_overrides, split_resume_overrides
from mmrec.errors import ConfigError
from mmrec.schemas import register_schemas

_RESOLVERS = ("now", "hydra", "python_version")
"""The resolvers that Hydra registers with OmegaConf."""


class Composed(NamedTuple):
    """A configuration with the overrides from which it was composed."""

    cfg: DictConfig
    overrides: list[str]
    """Includes the overrides for a resumed run."""


def compose_overrides(config_name: str, words: Sequence[str]) -> Composed:
    """Compose a configuration as the command line does from the same overrides.

    Raises:
        ConfigError: as on the command line; and for options that only the command line has, such as `-m`.
    """
    with _own_hydra():
        try:
            prepared = prepare_overrides(words)
            check_config_dirs(prepared, config_name)
            arguments, _ = get_args_parser().parse_known_args(prepared)
            options = [word for word in prepared if word.startswith("-") and not word.startswith(("--config-dir", "-cd"))]
            if options:
                raise ConfigError(f"{options[0]}: options are only available on the command line; expected overrides as key=value")
            overrides, of_run = split_resume_overrides(arguments.overrides)
            if arguments.config_dir is not None:
                overrides = [*overrides, f"hydra.searchpath=[file://{arguments.config_dir}]"]
            GlobalHydra.instance().clear()  # an earlier check may have initialized it
            with hydra.initialize_config_module("mmrec.conf", version_base="1.3"):
                cfg = hydra.compose(config_name, overrides)
        except (HydraException, OmegaConfBaseException) as error:
            raise ConfigError(explain(error, config_name)) from error
    check_trust(cfg, overrides)
    return Composed(cfg, [word for word in overrides if not word.startswith("hydra.searchpath")] + of_run)


def check_trust(cfg: DictConfig, words: Sequence[str]) -> None:
    """Raise ConfigError if `trusted_packages` is set by a file rather than by an override."""
    if cfg.get("trusted_packages") and not any(word.lstrip("+").startswith("trusted_packages=") for word in words):
        raise ConfigError("trusted_packages: a file must not set it; set it on the command line")


@contextmanager
def _own_hydra() -> Iterator[None]:
    """Within the block, Hydra can be initialized independently; its previous state is restored afterwards."""
    Plugins.instance()  # plugins register configurations once, when they are discovered
    current, store, base = GlobalHydra.instance(), ConfigStore.instance(), VersionBase.instance()
    before, repo, version = current.hydra, store.repo, base.version_base
    resolvers = [name for name in _RESOLVERS if not OmegaConf.has_resolver(name)]
    current.hydra, store.repo = None, copy.deepcopy(repo)
    try:
        register_schemas()
        yield
    finally:
        GlobalHydra.instance().hydra, store.repo, base.version_base = before, repo, version
        for name in filter(OmegaConf.has_resolver, resolvers):
            OmegaConf.clear_resolver(name)
