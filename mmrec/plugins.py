"""Extensions of mmrec by other packages: models, splits, metrics and so on, found through entry points.

A package declares its extensions in its `pyproject.toml`, under the names used on the command line:

    [project.entry-points."mmrec.models"]
    popular_twice = "their_package.models:PopularTwice"

Installing a package means trusting it. `mmrec train model=popular_twice` then builds `their_package.models.PopularTwice` with the defaults
of its constructor. Nothing is imported before it is used. For choices with keys that users can override, a package provides configurations
in the layout of `conf/`, and declares the package that contains them:

    [project.entry-points."mmrec.conf"]
    their_package = "their_package.conf"        # their_package/conf/model/popular_twice.yaml, …
"""

import re
from collections.abc import Callable, Iterator
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from importlib.resources import files
from typing import Any, NamedTuple

import yaml

from mmrec.errors import ConfigError

CONFIG_GROUPS = {
    "mmrec.models": "model",
    "mmrec.splits": "split",
    "mmrec.sources": "data",
    "mmrec.text_encoders": "text_encoder",
    "mmrec.image_encoders": "image_encoder",
    "mmrec.kg_encoders": "kg_encoder",
    "mmrec.backbones": "backbone",
    "mmrec.fusions": "fusion",
    "mmrec.losses": "loss",
    "mmrec.tasks": "task",
}
"""By entry point group: the configuration group in which its names are choices."""
CONF_GROUP, METRIC_GROUP = "mmrec.conf", "mmrec.metrics"
_PACKAGES = {"text_encoder": "encoders.text", "image_encoder": "encoders.image"}
"""The package of a configuration group whose node is not placed under the group's name."""
CALLED_AT_ONCE = ("data", "text_encoder", "image_encoder")
"""Configuration groups whose objects are built from the configuration alone; others get further arguments later."""


@cache
def installed(group: str) -> dict[str, EntryPoint]:
    """Return the entry points of a group by name.

    Args:
        group: such as `mmrec.models`.

    Raises:
        ConfigError: two packages use the same name.
    """
    found: dict[str, EntryPoint] = {}
    for one in entry_points(group=group):
        if found.setdefault(one.name, one).value != one.value:
            raise ConfigError(f"{group}: two packages call something `{one.name}`: {found[one.name].value} and {one.value}; uninstall one")
    return found


def target_of(entry_point: EntryPoint) -> str:
    """Return the dotted name that an entry point refers to, as in a `_target_`."""
    return f"{entry_point.module}.{entry_point.attr}"


def trusted_packages() -> tuple[str, ...]:
    """Return the names of the packages with entry points of mmrec, from which configurations may build objects, sorted."""
    groups = (*CONFIG_GROUPS, CONF_GROUP, METRIC_GROUP)
    return tuple(sorted({one.module.partition(".")[0] for group in groups for one in installed(group).values()}))


class Choice(NamedTuple):
    """A choice that a package adds to a configuration group."""

    group: str
    name: str
    node: dict[str, Any]
    package: str | None
    """The package of the node if it is not the name of its group, as given by `@package` at the top of a configuration."""


def choices() -> Iterator[Choice]:
    """Yield the choices that packages add to configuration groups: nodes made from entry points, then the files of `mmrec.conf`.

    Raises:
        ConfigError: a file is not a YAML mapping.
    """
    for entry_group, group in CONFIG_GROUPS.items():
        for name, one in installed(entry_group).items():
            node: dict[str, Any] = {"_target_": target_of(one)}
            node |= {} if group in CALLED_AT_ONCE else {"_partial_": True}
            node |= {"name": name} if group == "model" else {}
            yield Choice(group, name, node, _PACKAGES.get(group))
    for one in installed(CONF_GROUP).values():
        for folder in files(one.value).iterdir():
            for path in folder.iterdir() if folder.is_dir() else ():
                if path.name.endswith(".yaml"):
                    text = path.read_text(encoding="utf-8")
                    yield Choice(
                        folder.name,
                        path.name.removesuffix(".yaml"),
                        _read_node(text, str(path)),
                        _package_of(text) or _PACKAGES.get(folder.name),
                    )


def added_to(group: str) -> list[str]:
    """Return the names of the choices that packages add to a configuration group."""
    return [choice.name for choice in choices() if choice.group == group]


def _read_node(text: str, path: str) -> dict[str, Any]:
    try:
        node = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError(f"{path}: expected YAML: {error}") from error
    if not isinstance(node, dict):
        raise ConfigError(f"{path}: expected keys with values")
    return node


def _package_of(text: str) -> str | None:
    found = re.match(r"#\s*@package\s+(\S+)", text)
    return found and found[1]


def load_metrics() -> dict[str, Callable[..., Any]]:
    """Return the ranking metrics of other packages by name; they are functions like those of `mmrec.metrics.ranking`.

    If lower values of a metric are better, its function has the attribute `higher_is_better`, set to False.
    """
    return {name: one.load() for name, one in installed(METRIC_GROUP).items()}
