"""Recompute the test metrics of a run from its checkpoints, and compare them with the reported ones."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from mmrec.errors import DataError
from mmrec.evaluation.measure.evaluate import mean_over_seeds, values_of
from mmrec.evaluation.measure.grades import read_grades
from mmrec.experiment.evidence import Evidence, load_evidence
from mmrec.experiment.measures import largest_k, measure_scorer
from mmrec.experiment.models import fit_priors, make_data_module, make_spec
from mmrec.experiment.run_folder.files import checkpoint_folder, read_entry, read_measured, read_split
from mmrec.experiment.run_folder.find import convert_file_errors
from mmrec.experiment.run_folder.models import load_model
from mmrec.experiment.settings import EvaluateSettings, SplitData, TrainingSettings
from mmrec.files.storage import read_json
from mmrec.models.recommender import Recommender, TrainedScorer
from mmrec.types import MODALITIES

TOLERANCE = 1e-4
_log = logging.getLogger(__name__)


class Reevaluation(NamedTuple):
    """The test metrics of a run's model, means over seeds."""

    found: dict[str, float]
    reported: dict[str, float]

    @property
    def differing(self) -> list[str]:
        """The metrics that differ from the reported ones."""
        return [name for name, value in self.found.items() if abs(value - self.reported[name]) > TOLERANCE]


def evaluate(settings: EvaluateSettings) -> Reevaluation:
    """Evaluate a run's model again on the stored split.

    Raises:
        DataError: the data have changed, or a file of the run is invalid.
    """
    run_dir, record = settings.run_dir, settings.run_dir / "run.json"
    with convert_file_errors(run_dir):
        recorded = read_json(record)
        ours, data_hash = read_entry(record, recorded, ("model",), str), read_entry(record, recorded, ("data", "hash"), str)
        seeds = read_entry(record, recorded, ("seeds",), list[int])
        reported = read_measured(run_dir / "metrics.json", read_json(run_dir / "metrics.json"), ours)
        read_split(run_dir, recorded)
    if not seeds:
        raise DataError(f"{record}: `seeds`: expected one or more, found none")
    evidence = _same_evidence(settings, data_hash)
    found = mean_over_seeds([_evaluate_one(settings, settings.training(seed), evidence, reported) for seed in seeds])
    if missing := found.keys() - reported.keys():
        raise DataError(f"{run_dir / 'metrics.json'}: expected `models.{ours}.{min(missing)}`, found none")
    return Reevaluation(found, reported)


def check_reported(measured: Reevaluation, run_dir: Path) -> None:
    """Raise DataError if metrics differ from those reported by the run."""
    if differing := measured.differing:
        path = run_dir / "metrics.json"
        raise DataError(f"{', '.join(differing)} differ from {path} by more than {TOLERANCE}; were its files changed?")


def open_trained(settings: EvaluateSettings) -> TrainedScorer:
    """Restore the scorer of a run's first seed from its data and checkpoint. Raises DataError as `open_model` does."""
    return open_model(settings).freeze()


def open_model(settings: EvaluateSettings) -> Recommender:
    """Restore the model of a run's first seed from its data and checkpoint.

    Raises:
        DataError: the data have changed, or a file of the run is invalid.
    """
    run_dir, record = settings.run_dir, settings.run_dir / "run.json"
    with convert_file_errors(run_dir):
        recorded = read_json(record)
        data_hash, seed = read_entry(record, recorded, ("data", "hash"), str), read_entry(record, recorded, ("seed",), int)
        read_split(run_dir, recorded)
    model, _ = _trained(settings, settings.training(seed), _same_evidence(settings, data_hash))
    return model


def open_items(settings: EvaluateSettings, modality: str | None = None) -> Evidence:
    """Read the data of a run with the features or the graph of one modality, or with neither.

    Unchanged evidence is read, whatever the model of the run was allowed to use.

    Args:
        settings: the settings of the run.
        modality: such as `text`.

    Raises:
        DataError: the data have changed, or a file of the run is invalid.
    """
    record = settings.run_dir / "run.json"
    with convert_file_errors(settings.run_dir):
        data_hash = read_entry(record, read_json(record), ("data", "hash"), str)
    allowed: dict[str, bool | str] = dict.fromkeys((*MODALITIES, *settings.evidence.allowed), False)
    allowed |= {} if modality is None else {modality: True}
    evidence = replace(settings.evidence, allowed=allowed, further=False)
    return _same_evidence(replace(settings, evidence=evidence), data_hash)


def _same_evidence(settings: EvaluateSettings, data_hash: str) -> Evidence:
    evidence = load_evidence(settings.evidence)
    if evidence.dataset.content_hash != data_hash:
        raise DataError(f"the data of {evidence.dataset.name} have changed since {settings.run_dir} was made; train again")
    return evidence


def _trained(settings: EvaluateSettings, training: TrainingSettings, evidence: Evidence) -> tuple[Recommender, SplitData]:
    """The trained model of one seed, and its data module, set up for test."""
    data = make_data_module(training, evidence, settings.run_dir / "split")
    data.setup("test")
    spec = make_spec(evidence, data)
    priors = fit_priors(training.model, spec, data.valid_set(), largest_k(training.measures))
    return load_model(training, spec, priors, checkpoint_folder(settings.run_dir, training.seed)), data


def _evaluate_one(
    settings: EvaluateSettings, training: TrainingSettings, evidence: Evidence, reported: dict[str, float]
) -> dict[str, float]:
    """The test metrics of one seed; graded metrics and AUC only if they were reported."""
    model, data = _trained(settings, training, evidence)
    has_grades = any(name.startswith("test/graded_ndcg@") for name in reported)
    graded = read_grades(settings.run_dir / "split", evidence.index).test if has_grades else None
    evaluated = measure_scorer(training.task(model), model.freeze(), data.test_set, graded, "test/auc" in reported)
    _log.info(f"seed {training.seed}: evaluated")
    return values_of(evaluated, "test")
