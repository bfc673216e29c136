"""Write fitted models to a run folder, and restore trained models from it."""

from pathlib import Path
from typing import Any, cast

from mmrec.errors import DamagedCheckpoint
from mmrec.experiment.encoders.tuned import settle_encoders
from mmrec.experiment.fit import load_best
from mmrec.experiment.models import make_model
from mmrec.experiment.run_folder.files import checkpoint_folder, read_index, read_split
from mmrec.experiment.settings import TrainingSettings
from mmrec.files.checkpoint import read_checkpoint, write_checkpoint
from mmrec.files.storage import read_json
from mmrec.models.recommender import ClosedFormRecommender, Recommender, TrainedScorer
from mmrec.types import DatasetSpec

_FITTED = "fitted"


def write_fitted(folder: Path, model: ClosedFormRecommender, parameters: dict[str, Any]) -> None:
    """Write a fitted model with its chosen hyperparameters."""
    write_checkpoint(folder / _FITTED, {"state_dict": dict(model.state_dict()), "parameters": parameters})


def load_model(settings: TrainingSettings, spec: DatasetSpec, priors: dict[str, Any], folder: Path) -> Recommender:
    """Restore the trained model of a seed from `folder`; models in closed form need neither `spec` nor `priors`."""
    if not issubclass(settings.model.kind, ClosedFormRecommender):
        model = make_model(settings.model, spec, priors, settings.seed)
        load_best(model, folder)
        settle_encoders(model, settings.model.encoders, spec)
        return model
    kept = read_checkpoint(folder / _FITTED)
    fitted = cast("ClosedFormRecommender", settings.candidate.make(**kept["parameters"]))
    fitted.load_state_dict(kept["state_dict"])
    if lacking := [name for name in type(fitted).__annotations__ if not hasattr(fitted, name)]:
        raise DamagedCheckpoint(
            f"{folder / _FITTED}: expected `{lacking[0]}`, found none; it was fitted by another version of mmrec, train again"
        )
    return fitted


def open_scorer(run_dir: Path, settings: TrainingSettings) -> TrainedScorer:
    """The scorer of a seed's model from the run folder alone, without features and graph of items."""
    parts = read_split(run_dir, read_json(run_dir / "run.json"))
    index = read_index(run_dir, parts)
    spec = DatasetSpec(index.n_users, index.n_items, index.interactions(parts["train"]))
    return load_model(settings, spec, {}, checkpoint_folder(run_dir, settings.seed)).freeze()
