"""Validate the settings of evidence and encoders, as far as possible from the configuration alone."""

from typing import Any

from omegaconf import DictConfig

from mmrec.config.values import plain
from mmrec.data.features.counterfactual import changes_of
from mmrec.errors import ConfigError, nearest
from mmrec.renames import renamed_key
from mmrec.types import MODALITIES

_FIXED = "mmrec.data.sources."
"""Sources whose configuration determines all of their evidence; for others it is known once the data are read."""


def check_evidence(cfg: DictConfig) -> None:
    """Raise ConfigError for evidence that the data cannot have, an unknown change, or an invalid encoder."""
    values = plain(cfg)
    for name, value in values["evidence"].items():
        if now := renamed_key(f"evidence.{name}"):
            raise ConfigError(f"evidence.{name}: it has been renamed to `{now}`")
        _check_value(f"evidence.{name}", value, changes_of(name))
    _check_value("further_evidence", values["further_evidence"], changes_of(""))
    data = values["data"]
    if str(data.get("_target_")).startswith(_FIXED) and not {"features", "inputs"} & data.keys():
        for key in ("evidence", "encoders"):
            if unknown := [name for name in values[key] if name not in MODALITIES]:
                known = [f"{key}.{name}" for name in MODALITIES]
                raise ConfigError(f"{key}.{unknown[0]}: there is no such key; {nearest(f'{key}.{unknown[0]}', known)}")
    for name, node in values["encoders"].items():
        if not (isinstance(node, dict) and "_target_" in node):
            raise ConfigError(f"encoders.{name}: expected an encoder with its `_target_`, found `{node}`")


def _check_value(key: str, value: Any, changes: tuple[str, ...]) -> None:
    if not isinstance(value, bool) and value not in changes:
        raise ConfigError(f"{key}: `{value}` is not a valid value; {nearest(str(value), ('true', 'false', *changes))}")
