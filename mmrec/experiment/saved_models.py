"""Models of a run folder: written when they were fitted, and made again, trained, from what is there."""

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from mmrec.config import build, check, read_model
from mmrec.experiment.fit import checkpoint_folder, load_best
from mmrec.experiment.prepare import make_model, model_class
from mmrec.experiment.run_files import read_entry, read_index, read_split
from mmrec.experiment.runs import saved_config
from mmrec.files.checkpoint import read_checkpoint, write_checkpoint
from mmrec.files.storage import read_json
from mmrec.models.recommender import ClosedFormRecommender, Recommender, TrainedScorer
from mmrec.schemas import TrainConfig
from mmrec.types import DatasetSpec

_FITTED = "fitted"


def write_fitted(folder: Path, model: ClosedFormRecommender, parameters: dict[str, Any]) -> None:
    """Keeps a fitted model, and the settings that were chosen for it."""
    write_checkpoint(folder / _FITTED, {"state_dict": dict(model.state_dict()), "parameters": parameters})


def load_model(cfg: DictConfig, spec: DatasetSpec, priors: dict[str, Any], folder: Path) -> Recommender:
    """The trained model of one seed, whose checkpoints are in `folder`; one in closed form needs neither `spec` nor `priors`."""
    if not issubclass(model_class(cfg), ClosedFormRecommender):
        model = make_model(cfg, spec, priors)
        load_best(model, folder)
        return model
    kept = read_checkpoint(folder / _FITTED)
    model = build(OmegaConf.create({"model": read_model(cfg, "model")[0] | kept["parameters"]}), "model")()
    model.load_state_dict(kept["state_dict"])
    return model


def open_scorer(run_dir: Path) -> TrainedScorer:
    """What scores as the model of a run's first seed, from the run folder alone: items have no features and no graph there."""
    cfg, recorded = saved_config(run_dir), read_json(run_dir / "run.json")
    check(cfg, TrainConfig)  # a run folder may come from anywhere
    parts, seed = read_split(run_dir, recorded), read_entry(run_dir / "run.json", recorded, ("seed",), int)
    index = read_index(run_dir, parts)
    train = index.interactions(parts["train"])
    spec = DatasetSpec(index.n_users, index.n_items, train)
    return load_model(cfg, spec, {}, checkpoint_folder(run_dir, seed)).freeze()
