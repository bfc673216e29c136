"""Determine which configuration changes are allowed when a run is resumed.

Each change either takes effect, and is recorded with the step from which on it does, or is rejected by name, so that config.yaml is
correct.
"""

import copy
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from mmrec.config.values import flat, literal
from mmrec.errors import ConfigError, nearest
from mmrec.experiment.run_folder.changes import Change, Progress, read_progress
from mmrec.type_hints import fits

ALWAYS = ("evaluation.", "baselines.", "features.", "n_seeds", "data.path", "paths.cache", "trusted_packages")
"""Keys that take effect at any time; a trailing dot includes all keys below."""
WHILE_TRAINING = (
    *("trainer.", "optimizer.", "loss.", "logger.", "checkpoint.every_n_steps"),
    *("task.embedding_lr", "selection.patience", "data_module.n_workers"),
)
"""Keys that take effect on the remaining steps."""
_MAX_EPOCHS, _PATIENCE = "trainer.max_epochs", "selection.patience"


def asked_changes(overrides: Sequence[str]) -> dict[str, Any]:
    """Parse plain overrides such as `optimizer.lr=0.01`. Raises ConfigError for choices of groups, removals and sweeps."""
    asked = {}
    for word, override in zip(overrides, OverridesParser.create().parse_overrides(list(overrides)), strict=True):
        key = override.key_or_group
        if key == "resume" or key.startswith("hydra"):
            continue
        if override.is_delete() or override.is_sweep_override():
            raise ConfigError(f"{word}: keys of a resumed run cannot be removed or swept; override plain keys, or start a new run")
        asked[key] = override.value()
    return asked


def composed_changes(cfg: DictConfig, saved: DictConfig) -> dict[str, Any]:
    """The values in which a composed configuration deviates from the default one.

    Raises:
        ConfigError: a key of the saved configuration was removed.
    """
    default, given, known = map(_leaves, (_default_config(), cfg, saved))
    if removed := (default.keys() - given.keys()) & known.keys():
        raise ConfigError(f"~{min(removed)}: keys of a resumed run cannot be removed; override plain keys, or start a new run")
    different = {key: value for key, value in given.items() if key != "resume" and (key not in default or default[key] != value)}
    return {key: value for key, value in different.items() if "${" not in str(value)}  # without values derived from other keys


def find_changes(saved: DictConfig, asked: dict[str, Any], run_dir: Path) -> dict[str, Change]:
    """The changes in `asked` relative to the run. Raises ConfigError, naming every key whose change would have no effect."""
    known = _leaves(saved)
    changes = {key: Change(known.get(key), value) for key, value in asked.items() if key not in known or known[key] != value}
    problems = [problem for key, change in changes.items() if (problem := _refused(key, change.after, saved))]
    if not problems:
        problems = _without_effect(saved, changes, run_dir)
    if problems:
        raise ConfigError("\n".join(problems))
    return changes


def changed_config(saved: DictConfig, changes: dict[str, Change]) -> DictConfig:
    """Apply changes to a configuration."""
    cfg = copy.deepcopy(saved)
    for key, change in changes.items():
        OmegaConf.update(cfg, key, change.after, merge=False)
    return cfg


def _leaves(cfg: DictConfig) -> dict[str, Any]:
    return dict(flat(literal(cfg)))


def _is_among(key: str, keys: Iterable[str]) -> bool:
    return any(key.startswith(one) if one.endswith(".") else key == one for one in keys)


def _default_config() -> DictConfig:
    if GlobalHydra.instance().is_initialized():
        return hydra.compose("train")
    with hydra.initialize_config_module("mmrec.conf", version_base="1.3"):
        return hydra.compose("train")


def _refused(key: str, value: Any, saved: DictConfig) -> str | None:
    """The reason why a key of a run cannot be changed; None if it can."""
    node, _, name = key.rpartition(".")
    is_choice = OmegaConf.is_dict(OmegaConf.select(saved, key))
    if is_choice or isinstance(value, dict) or name.startswith("_"):
        return f"{key}: choices of a resumed run cannot be changed; override plain keys, or start a new run"
    if node and OmegaConf.select(saved, node) is None:
        first, _, inside = node.partition(".")
        there = saved.get(first) if inside else saved
        hint = nearest(inside or first, there) if OmegaConf.is_dict(there) else f"`{first}` has no keys"
        return f"{key}: the run has no `{node}`; {hint}"
    if key in (_MAX_EPOCHS, _PATIENCE) and not fits(value, int):
        return f"{key}: expected a whole number, found `{value}`"
    if _is_among(key, ALWAYS + WHILE_TRAINING):
        return None
    if key not in _leaves(saved):
        siblings = OmegaConf.select(saved, node) if node else saved
        return f"{key}: there is no such key; {nearest(name, siblings)}"
    return f"{key}: cannot be changed in a resumed run, since the training so far depends on it; start a new run"


def _without_effect(saved: DictConfig, changes: dict[str, Change], run_dir: Path) -> list[str]:
    """A problem for each change that would have no effect because the training has ended."""
    cfg = changed_config(saved, changes)
    progress = [read_progress(run_dir, seed) for seed in _seeds(cfg)]
    last = max((at.epoch for at in progress), default=0)
    if _MAX_EPOCHS in changes and _max_epochs(cfg) < last:
        return [f"{_MAX_EPOCHS}: the run has already trained {last} epochs; expected at least as many, found {cfg.trainer.max_epochs}"]
    if not all(_is_ended(at, cfg) for at in progress):
        return []
    was_ended = all(_is_ended(at, saved) for at in progress)
    idle = [key for key in changes if not _is_among(key, ALWAYS) and (was_ended or key not in (_MAX_EPOCHS, _PATIENCE))]
    by = _MAX_EPOCHS if any(at.epoch >= _max_epochs(cfg) for at in progress) else _PATIENCE
    return [
        f"{key}: the training has ended after {last} epochs, so this would have no effect; raise {by}, or start a new run" for key in idle
    ]


def _is_ended(at: Progress, cfg: DictConfig) -> bool:
    return at.step > 0 and (at.epoch >= _max_epochs(cfg) or at.epochs_without_better >= cfg.selection.patience)


def _max_epochs(cfg: DictConfig) -> float:
    """The epoch limit of Lightning: 1000 if there is none, infinite if it is -1."""
    limit = cfg.trainer.max_epochs
    return 1000 if limit is None else math.inf if limit < 0 else limit


def _seeds(cfg: DictConfig) -> Iterable[int]:
    return range(cfg.seed, cfg.seed + cfg.n_seeds)
