"""From the configuration of a baseline, or of a model in closed form, to the model at its best setting."""

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from mmrec.config import build, flat, read_model
from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.experiment.prepare import say
from mmrec.experiment.tuning.kept_choices import tune_once
from mmrec.experiment.tuning.search import Fittable, Tuned
from mmrec.experiment.tuning.space import Search
from mmrec.models.recommender import LackingData
from mmrec.types import DatasetSpec


def tune_baseline(cfg: DictConfig, name: str, spec: DatasetSpec, valid: EvaluationSet) -> Tuned | None:
    """The best of one baseline's settings, said in a line. It is handed no test row; None where the data lack what it needs."""
    try:
        return tune_node(cfg, f"baselines.{name}", name, spec, valid)
    except LackingData as error:
        say(f"{name}: left out, {error}")
        return None


def tune_node(cfg: DictConfig, key: str, name: str, spec: DatasetSpec, valid: EvaluationSet) -> Tuned:
    """The best setting of the node at `key`: of its `space`, or the one that it names where it has none. Raises LackingData as `fit`."""
    fixed, beside = read_model(cfg, key)
    metric, space = cfg.selection.metric.removeprefix("val/"), beside.get("space") or {}

    def make(**setting: Any) -> Fittable:
        node = OmegaConf.create(fixed)
        for part, value in setting.items():
            OmegaConf.update(node, part, value)
        return build(OmegaConf.create({name: node}), name)()

    search = Search(dict(flat(space)) if space else {}, beside.get("n_trials", 1), cfg.seed)
    best, before = tune_once(make, fixed, search, spec, valid, metric, Path(cfg.paths.cache) / "baselines")
    trials = f", best of {best.n_trials}" + (", tuned before" if before else "") if best.parameters else ""
    say(f"{name}: val {metric} {best.value:.4f}{trials} {chosen_values(best) or ''}".rstrip())
    return best


def chosen(best: Tuned) -> dict[str, Any]:
    """What tuning chose and among how many, as metrics.json keeps it; empty where there was nothing to choose."""
    return chosen_values(best) | {"n_trials": best.n_trials} if best.parameters else {}


def chosen_values(best: Tuned) -> dict[str, Any]:
    """The values that were chosen by their own names: `embedding_dim` for `model.embedding_dim`."""
    return {name.rpartition(".")[2]: value for name, value in best.parameters.items()}
