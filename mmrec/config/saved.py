"""The configuration of a saved run, as today's mmrec reads it."""

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
    "filter": {"min_rating": None, "repeated": "first", "min_per_user": 1, "min_per_item": 1},
    "features": {"engine": "local", "n_workers": 1, "store": None},
    "evaluation": {"auc": False, "item_column": None},
    "checkpoint": {"every_n_steps": None},
    "tune": {"minutes": None, "space": {}},
    "trust_run": False,
}
"""What keys stand for in a run that is older than they are: whatever mmrec did without them, which need not be their default."""
_GROUPS_BEFORE = {"mmrec.tasks.ranking.RankingTask": {"tables": {"weight_decay": 0.0}}}
"""By task, what the optimizer did otherwise for a role of parameters before the key `task.groups` said so."""
_MAX_BYTES = 2**20


def saved_config(run_dir: Path) -> DictConfig:
    """The configuration of a run, with the keys that came to mmrec since and the names that its targets have today.

    Whom to trust is for whoever reads the run to say, not for its files: `trusted_packages` is empty. mmrec writes no aliases. They are
    refused before anything is built: a few lines of them can stand for more than any memory holds. Raises YAMLError or ValueError where
    the file is no configuration.
    """
    path = run_dir / "config.yaml"
    if path.stat().st_size > _MAX_BYTES:
        raise ValueError(f"{path} has {path.stat().st_size:,} bytes; mmrec writes some thousand, and reads at most {_MAX_BYTES:,}")
    text = path.read_text(encoding="utf-8")
    if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, yaml.SafeLoader)):
        raise ValueError(f"aliases (`*name`) are not taken in {path}; write out what they stand for")
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
