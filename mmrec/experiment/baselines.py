"""From the configuration of a baseline to the baseline at its best setting."""

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from mmrec.config import build, plain
from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.experiment.configured_task import tuned_by
from mmrec.experiment.prepare import say
from mmrec.experiment.tuning.kept_choices import tune_once
from mmrec.experiment.tuning.search import Tuned
from mmrec.experiment.tuning.space import Search
from mmrec.models.closed_form.baseline import LackingData
from mmrec.types import DatasetSpec


def tune_baseline(cfg: DictConfig, name: str, spec: DatasetSpec, valid: EvaluationSet) -> Tuned | None:
    """The best of one baseline's settings, said in a line. It is handed no test row; None where the data lack what it needs."""
    node, metric = plain(cfg.baselines)[name], tuned_by(cfg)
    fixed = {key: value for key, value in node.items() if key not in ("space", "n_trials")}
    make = build(OmegaConf.create({name: fixed}), name)
    search = Search(node.get("space", {}), node.get("n_trials", 1), cfg.seed)
    try:
        best, before = tune_once(make, fixed, search, spec, valid, metric, Path(cfg.paths.cache) / "baselines")
    except LackingData as error:
        say(f"{name}: left out, {error}")
        return None
    trials = f", best of {best.n_trials}" + (", tuned before" if before else "") if best.parameters else ""
    say(f"{name}: val {metric} {best.value:.4f}{trials} {best.parameters or ''}".rstrip())
    return best


def chosen(best: Tuned) -> dict[str, Any]:
    """What tuning chose and among how many, as metrics.json keeps it; empty where there was nothing to choose."""
    return best.parameters | {"n_trials": best.n_trials} if best.parameters else {}
