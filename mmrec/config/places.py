"""The configuration of a run, as verbs may use it again, and as it is kept so that they can.

A run folder may come from anywhere. Whatever it says, reading it opens that folder, the data that the caller names or confirms, and the
caller's own cache:

- The run folder is where it lies, not where `run_dir` says; what was kept below that (logs) is kept below it now.
- The configuration holds literals only, no references.
- A run that was made here, see `mmrec.experiment.run_folder.origin`, is used as it is: its places are those of this person's own command
  line.
- Of any other run the caller's `paths`, caches, quarantine, feature store and loggers are used. All other places that its configuration
  names (files, folders, addresses, hosts, and classes that no configuration of mmrec names) have to be confirmed: each named on the command
  line, such as `data.path=…`, or all of them by `trust_run=true`.
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
from mmrec.experiment.run_folder.found import check_contents, read_as_run
from mmrec.experiment.run_folder.origin import is_made_here

_FOLDERS = {"archive", "cache", "folder", "path", "pictures", "quarantine", "resume", "run_dir", "runs", "save_dir", "store"}
_IF_THERE = {"path_or_name", "pretrained"}
"""These may also be names that somebody else knows."""
_PLACES = _FOLDERS | _IF_THERE | {"allow_hosts", "allow_private", "base_url", "default_root_dir", "dirpath", "filename", "url", "_args_"}
_NO_PLACES = ("selection.metric", "data.tables.", "data.columns.", "data.features.", "data.inputs.")
"""No place, or one inside the data folder: the reader sees to that."""
_OF_CALLER = ("paths", "logger", "features.store", "run_dir")
_SHOWN = 10
Named = tuple[str, str]
"""The last part of a key, and its value."""


def open_config(run_dir: Path, caller: DictConfig, named: Collection[str]) -> DictConfig:
    """The configuration of a run for a caller whose own has `paths`, `trust_run` and perhaps `features` and `logger`.

    `named` are the dotted keys that the caller gives a value of their own afterwards. Raises DataError for a run folder that leads out of
    itself or holds no configuration, ConfigError for places that nobody has confirmed.
    """
    check_contents(run_dir)
    with read_as_run(run_dir):
        values = literal(saved_config(run_dir))
        references = [key for key, value in _leaves(values, "") if isinstance(value, str) and "${" in value]
        if references:
            raise ConfigError(f"run: {run_dir / 'config.yaml'}: {references[0]}: expected a literal, found a reference")
        is_own = is_made_here(run_dir)
        values = _moved(values, values["run_dir"], str(run_dir))
        if not is_own:
            values = _of_caller(values, run_dir, caller)
    values |= {"run_dir": str(run_dir), "resume": None, "trust_run": False}
    unconfirmed = [] if is_own or caller.trust_run else list(_places(values, (run_dir, Path(values["paths"]["cache"])), named))
    if unconfirmed:
        more = f", … ({len(unconfirmed) - _SHOWN} more)" if len(unconfirmed) > _SHOWN else ""
        raise ConfigError(
            f"run: {run_dir} was not made here, or its config.yaml was changed since, and it names places outside of itself: "
            f"{', '.join(unconfirmed[:_SHOWN])}{more}; name your own, such as data.path=…, or confirm all of these with trust_run=true"
        )
    return merged(values)


def kept_config(cfg: DictConfig) -> DictConfig:
    """A configuration with all values resolved, and paths that do not depend on the folder where the command was started."""
    return cast(DictConfig, OmegaConf.create(_absolute(plain(cfg), "")))


def _of_caller(values: dict[str, Any], run_dir: Path, caller: DictConfig) -> dict[str, Any]:
    """The same with the caller's caches, store and loggers."""
    paths = plain(caller.paths)
    own = plain(merged(caller, {"run_dir": str(run_dir)})) if "run_dir" in caller else {}
    values = _with_cache(_moved(values, values["paths"]["cache"], paths["cache"]), paths["cache"])
    values["features"]["store"] = own.get("features", {}).get("store")
    return values | {"paths": paths, "logger": own.get("logger", {})}


def _with_cache(node: Any, cache: str) -> Any:
    """The same with whatever is called a cache or a quarantine in `cache`."""
    if isinstance(node, list):
        return [_with_cache(child, cache) for child in node]
    if not isinstance(node, dict):
        return node
    own = {"cache": cache, "quarantine": str(Path(cache) / "quarantine")}
    return {key: own[key] if key in own and isinstance(child, str) else _with_cache(child, cache) for key, child in node.items()}


def _moved(node: Any, before: object, now: str) -> Any:
    """The same with paths that are, or lie below, `before` below `now`."""
    if isinstance(node, list):
        return [_moved(child, before, now) for child in node]
    if isinstance(node, dict):
        return {key: _moved(child, before, now) for key, child in node.items()}
    if isinstance(node, str) and isinstance(before, str) and before and (node == before or node.startswith(f"{before}/")):
        return now + node.removeprefix(before)
    return node


def _places(values: dict[str, Any], inside: Collection[Path], named: Collection[str]) -> Iterator[str]:
    """The places outside of the folders `inside` that values name, as `key=value`."""
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
    """What the configurations of mmrec themselves say, whatever the group."""

    def names(folder: Traversable) -> Iterator[Named]:
        for path in folder.iterdir():
            if path.is_dir():
                yield from names(path)
            elif path.name.endswith(".yaml"):
                leaves = _leaves(yaml.safe_load(path.read_text(encoding="utf-8")) or {}, "")
                yield from ((key.rpartition(".")[2].partition("[")[0], str(value)) for key, value in leaves)

    return frozenset(names(files("mmrec.conf")))


def _leaves(node: Any, key: str) -> Iterator[tuple[str, Any]]:
    """All scalars under dotted keys, `a.b[0]` in a list."""
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
