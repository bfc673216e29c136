"""Configuration files from elsewhere: those that come with `--config-dir` or `hydra.searchpath`.

`mmrec.config.check` sees what is built of them for mmrec. Before that, Hydra itself builds what stands under `hydra`: none of theirs may.
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
    """Composes the configuration once without acting on it, where folders beside ours are named; returns at once where none is.

    Raises ConfigError where a file is no YAML, or where `hydra` holds anything to be built that our own configuration does not.
    """
    arguments, _ = get_args_parser().parse_known_args(list(words))
    if arguments.config_path is not None:
        raise ConfigError("--config-path: takes the place of everything that mmrec brings; add a folder with --config-dir")
    overrides = list(arguments.overrides)
    if arguments.config_dir is None and not any("searchpath" in word for word in overrides):
        return
    if arguments.config_dir is not None:
        overrides.append(f"hydra.searchpath=[file://{Path(arguments.config_dir).resolve()}]")
    try:
        theirs, ours = _hydra_node(config_name, tuple(overrides)), _hydra_node(config_name, ())
    except (YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(
            f"{arguments.config_dir or 'hydra.searchpath'}: a file is no YAML that a configuration may be: {error}"
        ) from error
    check_hydra_node(theirs, ours)


def check_hydra_node(theirs: dict[str, Any], ours: dict[str, Any]) -> None:
    """Raises ConfigError where what stands under `hydra` holds anything to be built that our own configuration does not."""
    for key in _BUILT_BY_HYDRA:
        if theirs.get(key) != ours.get(key):
            raise ConfigError(f"hydra.{key}: a configuration from elsewhere must not change it: it is run before anything is checked")
    for key in _WITH_PARTS:
        if any(_built(child) for child in (theirs.get(key) or {}).values()):
            raise ConfigError(f"hydra.{key}: a configuration from elsewhere must not put objects or references there")


@cache
def _hydra_node(config_name: str, overrides: tuple[str, ...]) -> dict[str, Any]:
    """What stands under `hydra`, references unresolved."""
    GlobalHydra.instance().clear()
    with hydra.initialize_config_module("mmrec.conf", version_base="1.3"):
        cfg = hydra.compose(config_name, list(overrides), return_hydra_config=True)
    return literal(cfg.hydra)


def _built(node: Any) -> bool:
    """Whether any of it names something to build, or stands for something that may."""
    return any(child == "_target_" or (isinstance(child, str) and "${" in child) for child in _leaves(node))


def _leaves(node: Any) -> Iterator[Any]:
    """Keys and values, at any depth."""
    if isinstance(node, dict):
        yield from node
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from _leaves(child)
    else:
        yield node
