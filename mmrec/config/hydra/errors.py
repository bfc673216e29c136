"""Convert Hydra's errors to messages that name the nearest valid key or choice."""

import re
from collections.abc import Iterator
from importlib.resources import files

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import MissingConfigException, OverrideParseException
from omegaconf import OmegaConf

from mmrec.errors import MissingExtra, nearest
from mmrec.plugins import added_to
from mmrec.renames import renamed_key

_OF_EXTRAS = {("hydra/launcher", "joblib"): ("sweeps", "hydra/launcher=joblib, which runs several trainings at a time,")}
"""Choices of Hydra plugins that are installed by an extra of mmrec."""


def explain(error: Exception, config_name: str) -> str:
    """Return the message for an error of Hydra in composing the primary configuration `config_name`, with the nearest valid name."""
    text = str(error.__cause__ or error)
    if isinstance(error, MissingConfigException) and "/" in str(error.missing_cfg_file):
        group, _, name = str(error.missing_cfg_file).rpartition("/")
        return no_choice(group, name)
    unknown = re.search(r"Could not (?:override|delete from config\.) '([^']+)'", str(error)) or re.search(
        r"Key '([^']+)' (?:is )?not in", text
    )
    if unknown:
        key = getattr(error.__cause__, "full_key", None) or unknown[1]
        now = renamed_key(unknown[1])
        return (
            f"{unknown[1]}: it has been renamed to `{now}`"
            if now
            else f"{key}: there is no such key; {nearest(key, _all_keys(config_name))}"
        )
    if isinstance(error, OverrideParseException):
        return f"`{error.override}` is not a valid override; expected key=value, a list as key=[a,b], quoted text as key='\"a, b\"'"
    override = re.search(r"Error merging override (.+)", str(error))
    first = text.split("\n")[0]
    return f"{override[1]}: {first}" if override else first


def no_choice(group: str, name: str) -> str:
    """Return the message for an unknown choice of a group."""
    if (group, name) in _OF_EXTRAS:
        extra, what = _OF_EXTRAS[group, name]
        return str(MissingExtra(extra, f"{what} is not installed"))
    if group.startswith("hydra/"):
        return f"{group}: there is no choice `{name}`; install the Hydra plugin that provides it"
    choices = [path.name.removesuffix(".yaml") for path in files("mmrec.conf").joinpath(group).iterdir()] + added_to(group)
    return f"{group}: there is no choice `{name}`; {nearest(name, choices)}"


def _all_keys(config_name: str) -> list[str]:
    """All dotted keys of a primary configuration without overrides."""
    GlobalHydra.instance().clear()
    with hydra.initialize_config_module("mmrec.conf", version_base="1.3"):
        cfg = OmegaConf.to_container(hydra.compose(config_name), resolve=False)
    return list(_dotted(cfg, ""))


def _dotted(node: object, prefix: str) -> Iterator[str]:
    if isinstance(node, dict):
        for name, child in node.items():
            yield f"{prefix}{name}"
            yield from _dotted(child, f"{prefix}{name}.")
