"""What other packages add to mmrec: their models, splits, metrics and so on, found through entry points.

A package declares what it adds in its `pyproject.toml`, by the name that people will use on the command line:

    [project.entry-points."mmrec.models"]
    popular_twice = "their_package.models:PopularTwice"

Whoever installs the package trusts it. `mmrec train model=popular_twice` then builds `their_package.models.PopularTwice` with the defaults
of its constructor. Nothing is imported before it is asked for.
"""

from collections.abc import Callable
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

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
"""By the group of entry points: the group of configurations in which its names are choices."""
METRIC_GROUP = "mmrec.metrics"
CALLED_AT_ONCE = ("data", "text_encoder", "image_encoder")
"""Groups of configurations whose objects are built with the values of the configuration alone; of the others more is known later."""


@cache
def installed(group: str) -> dict[str, EntryPoint]:
    """Return the entry points of a group by name.

    Args:
        group: such as `mmrec.models`.

    Raises:
        ConfigError: if two packages use one name.
    """
    found: dict[str, EntryPoint] = {}
    for one in entry_points(group=group):
        if found.setdefault(one.name, one).value != one.value:
            raise ConfigError(f"{group}: two packages call something `{one.name}`: {found[one.name].value} and {one.value}; uninstall one")
    return found


def target_of(entry_point: EntryPoint) -> str:
    """Return the dotted name of what an entry point stands for, as a `_target_` has it."""
    return f"{entry_point.module}.{entry_point.attr}"


def trusted_packages() -> tuple[str, ...]:
    """Return the names of the packages that configurations may build from because they declare entry points of mmrec, sorted."""
    groups = (*CONFIG_GROUPS, METRIC_GROUP)
    return tuple(sorted({one.module.partition(".")[0] for group in groups for one in installed(group).values()}))


def choices(config_group: str) -> dict[str, dict[str, Any]]:
    """Return what packages add to a group of configurations: by choice, the node that builds it."""
    groups = [group for group, name in CONFIG_GROUPS.items() if name == config_group]
    late = {} if config_group in CALLED_AT_ONCE else {"_partial_": True}
    return {name: {"_target_": target_of(one), **late} for group in groups for name, one in installed(group).items()}


def load_metrics() -> dict[str, Callable[..., Any]]:
    """Return the ranking metrics of other packages by name: functions as those of `mmrec.metrics.ranking` are.

    One of which a lower value is better has the attribute `higher_is_better`, set to False.
    """
    return {name: one.load() for name, one in installed(METRIC_GROUP).items()}
