"""The configuration of a run in a form that can be stored and used again by other commands.

A run folder may come from anywhere. Reading it only accesses that folder, the data that the caller gives or confirms, and the caller's own
cache:

- The run folder is its current location rather than `run_dir`; paths below the latter (logs) are relocated.
- The configuration contains literals only, no references.
- A run that was made here (see `mmrec.experiment.run_folder.origin`) is used as it is, since its paths come from the user's own commands.
- For any other run, the caller's `paths`, caches, quarantine, feature store and loggers are used. All other places in its configuration
  (files, folders, URLs, hosts, and classes that no configuration of mmrec contains) have to be confirmed: individually on the command line,
  such as `data.path=…`, or all of them by `trust_run=true`.
"""

import os
from collections.abc import Collection, Iterator
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, cast

import yaml
from omegaconf import DictConfig, OmegaConf

from mmrec.config.saved import saved_config
from mmrec.config.values import literal, merged, plain
from mmrec.errors import ConfigError
from mmrec.experiment.run_folder.find import check_contents, convert_file_errors
from mmrec.experiment.run_folder.origin import is_made_here

_FOLDERS = {"archive", "cache", "folder", "path", "pictures", "quarantine", "resume", "run_dir", "runs", "save_dir", "store", "tuned_in"}
_IF_THERE = {"path_or_name", "pretrained"}
"""Keys whose values may be paths or other names."""
_PLACES = _FOLDERS | _IF_THERE | {"allow_hosts", "allow_private", "base_url", "default_root_dir", "dirpath", "filename", "url", "_args_"}
_NO_PLACES = ("selection.metric", "data.tables.", "data.columns.", "data.features.", "data.inputs.", "user_text.template")
"""Keys that are not places, or that are inside the data folder, which the reader ensures."""
_OF_CALLER = ("paths", "logger", "features.store", "run_dir")
_SHOWN = 10
Named = tuple[str, str]
"""The last part of a key, and its value."""


def open_config(run_dir: Path, caller: DictConfig, named: Collection[str]) -> DictConfig:
    """Open the configuration of a run for a caller, whose configuration has `paths`, `trust_run` and possibly `features` and `logger`.

    `named` contains the dotted keys for which the caller sets other values afterwards.

    Raises:
        DataError: the run folder has links to outside or no configuration.
        ConfigError: places are not confirmed.
    """
    check_contents(run_dir)
    with convert_file_errors(run_dir):
        values = literal(saved_config(run_dir))
        references = [key for key, value in _leaves(values, "") if isinstance(value, str) and "${" in value]
        if references:
            raise ConfigError(f"run: {run_dir / 'config.yaml'}: {references[0]}: expected a literal, found a reference")
        is_own = is_made_here(run_dir)
        values = move_paths(values, values["run_dir"], str(run_dir))
        if not is_own:
            values = _of_caller(values, run_dir, caller)
    values |= {"run_dir": str(run_dir), "resume": None, "trust_run": False}
    unconfirmed = [] if is_own or caller.trust_run else list(_places(values, (run_dir, Path(values["paths"]["cache"])), named))
    if unconfirmed:
        more = f", … ({len(unconfirmed) - _SHOWN} more)" if len(unconfirmed) > _SHOWN else ""
        raise ConfigError(
            f"run: {run_dir} was not made here, or its config.yaml was changed since, and it refers to external paths or hosts: "
            f"{', '.join(unconfirmed[:_SHOWN])}{more}; set your own, such as data.path=…, or confirm all of these with trust_run=true"
        )
    return merged(values)


def kept_config(cfg: DictConfig) -> DictConfig:
    """Resolve all values of a configuration, and make paths absolute."""
    return cast(DictConfig, OmegaConf.create(_absolute(plain(cfg), "")))


def _of_caller(values: dict[str, Any], run_dir: Path, caller: DictConfig) -> dict[str, Any]:
    """Replace caches, feature store and loggers by those of the caller."""
    paths = plain(caller.paths)
    own = plain(merged(caller, {"run_dir": str(run_dir)})) if "run_dir" in caller else {}
    values = _with_cache(move_paths(values, values["paths"]["cache"], paths["cache"]), paths["cache"])
    values["features"]["store"] = own.get("features", {}).get("store")
    return values | {"paths": paths, "logger": own.get("logger", {})}


def _with_cache(node: Any, cache: str) -> Any:
    """Replace all settings of caches and quarantines by folders in `cache`."""
    if isinstance(node, list):
        return [_with_cache(child, cache) for child in node]
    if not isinstance(node, dict):
        return node
    own = {"cache": cache, "quarantine": str(Path(cache) / "quarantine")}
    return {key: own[key] if key in own and isinstance(child, str) else _with_cache(child, cache) for key, child in node.items()}


def move_paths(node: Any, before: object, now: str) -> Any:
    """Relocate paths that are equal to or below `before` to `now`."""
    if isinstance(node, list):
        return [move_paths(child, before, now) for child in node]
    if isinstance(node, dict):
        return {key: move_paths(child, before, now) for key, child in node.items()}
    if isinstance(node, str) and isinstance(before, str) and before and (node == before or node.startswith(f"{before}/")):
        return now + node.removeprefix(before)
    return node


def _places(values: dict[str, Any], inside: Collection[Path], named: Collection[str]) -> Iterator[str]:
    """Yield the places outside the folders `inside` that the values contain, as `key=value`."""
    for key, value in _leaves(values, ""):
        name = key.rpartition(".")[2].partition("[")[0]
        if value in (None, False) or any(key == one or key.startswith((f"{one}.", f"{one}[")) for one in (*_OF_CALLER, *named)):
            continue
        looks_so = isinstance(value, str) and (any(sign in value for sign in "/\\") or value.startswith("~"))
        may_be = (looks_so and not key.startswith(_NO_PLACES)) or name in _PLACES or name == "_target_"
        if not may_be or (name, str(value)) in _shipped():
            continue
        if not (isinstance(value, str) and any(Path(value).expanduser().resolve().is_relative_to(one.resolve()) for one in inside)):
            yield f"{key}={value}"


@cache
def _shipped() -> frozenset[Named]:
    """The values in mmrec's own configurations, in any group."""

    def names(folder: Traversable) -> Iterator[Named]:
        for path in folder.iterdir():
            if path.is_dir():
                yield from names(path)
            elif path.name.endswith(".yaml"):
                leaves = _leaves(yaml.safe_load(path.read_text(encoding="utf-8")) or {}, "")
                yield from ((key.rpartition(".")[2].partition("[")[0], str(value)) for key, value in leaves)

    return frozenset(names(files("mmrec.conf")))


def _leaves(node: Any, key: str) -> Iterator[tuple[str, Any]]:
    """Yield all scalars by dotted keys, `a.b[0]` in lists."""
    if isinstance(node, dict):
        for name, child in node.items():
            yield from _leaves(child, f"{key}.{name}" if key else str(name))
    elif isinstance(node, list):
        for position, child in enumerate(node):
            yield from _leaves(child, f"{key}[{position}]")
    else:
        yield key, node


def _absolute(node: Any, name: str) -> Any:
    if isinstance(node, dict):
        return {key: _absolute(child, str(key)) for key, child in node.items()}
    if not isinstance(node, str) or "://" in node:
        return node
    path = os.path.abspath(os.path.expanduser(node))
    return path if name in _FOLDERS or (name in _IF_THERE and os.path.exists(path)) else node
