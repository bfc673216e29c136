"""Read the configuration of a saved run, including runs of earlier versions."""

from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf

from mmrec.config.older_baselines import translate_baselines
from mmrec.config.values import literal, merged
from mmrec.renames import rename_keys, rename_targets

_BEFORE: dict[str, Any] = {
    "linear": None,
    "trend": None,
    "further_evidence": True,
    "filter": {"min_rating": None, "repeated": "first", "min_per_user": 1, "min_per_item": 1, "labels": "ignore"},
    "features": {"engine": "local", "n_workers": 1, "store": None},
    "evaluation": {"auc": False, "item_column": None, "report": True},
    "checkpoint": {"every_n_steps": None},
    "tune": {"minutes": None, "fits": None, "pruner": "none", "space": {}},
    "task_data": {},
    "time": {},
    "few_shot": {},
    "schedule": {},
    "robust": {},
    "train_share": 1.0,
    "user_text": {},
    "trust_run": False,
}
"""The values of keys that earlier versions lacked, which reproduce their behaviour and may differ from the defaults."""
_GROUPS_BEFORE = {"mmrec.tasks.ranking.RankingTask": {"tables": {"weight_decay": 0.0}}}
"""By task, the optimizer settings of parameter roles before the key `task.groups` existed."""
_MAX_BYTES = 2**20


def saved_config(run_dir: Path) -> DictConfig:
    """Read the configuration of a run, with current key and target names, and values for keys that it lacks.

    `trusted_packages` is emptied, since the reader decides what to trust. Aliases, which mmrec never writes, are rejected before anything
    is built, because a few lines of them can expand beyond memory.

    Raises:
        YAMLError, ValueError: the file is not a configuration.
    """
    path = run_dir / "config.yaml"
    if path.stat().st_size > _MAX_BYTES:
        raise ValueError(f"{path} has {path.stat().st_size:,} bytes; expected some thousand, and at most {_MAX_BYTES:,}")
    text = path.read_text(encoding="utf-8")
    if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, yaml.SafeLoader)):
        raise ValueError(f"aliases (`*name`) are not allowed in {path}; replace them by their values")
    saved = OmegaConf.create(text)
    if not isinstance(saved, DictConfig):
        raise ValueError(f"expected keys with values in {path}")
    values = rename_keys(rename_targets(literal(saved)))
    task = values.get("task")
    if isinstance(task, dict) and (groups := _GROUPS_BEFORE.get(str(task.get("_target_")))):
        task.setdefault("groups", groups)
    saved = OmegaConf.create(values)
    if isinstance(saved.get("baselines"), DictConfig):
        saved.baselines = translate_baselines(literal(saved.baselines))
    return merged(saved, merged(_BEFORE, saved), {"trusted_packages": []})
