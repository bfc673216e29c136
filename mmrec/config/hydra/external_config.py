"""Validate external configuration files, which `--config-dir` and `hydra.searchpath` add.

Hydra constructs objects from the node `hydra` before `mmrec.config.check` validates the configuration, so external files must not change
them.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import hydra
from hydra.core.global_hydra import GlobalHydra
from yaml import YAMLError

from mmrec.config.hydra.internals import get_args_parser
from mmrec.config.values import literal
from mmrec.errors import ConfigError

_BUILT_BY_HYDRA = ("callbacks", "hydra_logging", "job_logging")
_WITH_PARTS = ("launcher", "sweeper")


def check_config_dirs(words: Sequence[str], config_name: str) -> None:
    """Compose the configuration and validate its node `hydra`, if there are external folders.

    Raises:
        ConfigError: a file is not valid YAML, or constructs objects in the node `hydra` that mmrec's own configuration does not.
    """
    arguments, _ = get_args_parser().parse_known_args(list(words))
    if arguments.config_path is not None:
        raise ConfigError("--config-path: would replace all configuration files of mmrec; add a folder with --config-dir")
    overrides = list(arguments.overrides)
    if arguments.config_dir is None and not any("searchpath" in word for word in overrides):
        return
    if arguments.config_dir is not None:
        overrides.append(f"hydra.searchpath=[file://{Path(arguments.config_dir).resolve()}]")
    try:
        theirs, ours = _hydra_node(config_name, tuple(overrides)), _hydra_node(config_name, ())
    except (YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{arguments.config_dir or 'hydra.searchpath'}: a file is not a valid configuration in YAML: {error}") from error
    check_hydra_node(theirs, ours)


def check_hydra_node(theirs: dict[str, Any], ours: dict[str, Any]) -> None:
    """Raise ConfigError if an external node `hydra` constructs objects that mmrec's own configuration does not."""
    for key in _BUILT_BY_HYDRA:
        if theirs.get(key) != ours.get(key):
            raise ConfigError(f"hydra.{key}: an external configuration must not change it, since it is executed before validation")
    for key in _WITH_PARTS:
        if any(_built(child) for child in (theirs.get(key) or {}).values()):
            raise ConfigError(f"hydra.{key}: an external configuration must not contain objects or references here")


@cache
def _hydra_node(config_name: str, overrides: tuple[str, ...]) -> dict[str, Any]:
    """The node `hydra` of a configuration, with references unresolved."""
    GlobalHydra.instance().clear()
    with hydra.initialize_config_module("mmrec.conf", version_base="1.3"):
        cfg = hydra.compose(config_name, list(overrides), return_hydra_config=True)
    return literal(cfg.hydra)


def _built(node: Any) -> bool:
    """Whether a node contains a `_target_`, or a reference, which may resolve to one."""
    return any(child == "_target_" or (isinstance(child, str) and "${" in child) for child in _leaves(node))


def _leaves(node: Any) -> Iterator[Any]:
    """Yield all keys and values at any depth."""
    if isinstance(node, dict):
        yield from node
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from _leaves(child)
    else:
        yield node
