"""Recompute the test metrics of a run from its checkpoints, and compare them with the reported ones."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, cast

from mmrec.errors import DataError
from mmrec.evaluation.measure.evaluate import mean_over_seeds, values_of
from mmrec.evaluation.measure.grades import read_grades
from mmrec.experiment.evidence import Evidence, load_evidence
from mmrec.experiment.measures import largest_k, measure_scorer
from mmrec.experiment.models import Priors, fit_priors, make_data_module, make_spec
from mmrec.experiment.multi.parts import load_trained
from mmrec.experiment.run_folder.files import checkpoint_folder, read_entry, read_measured, read_split
from mmrec.experiment.run_folder.find import convert_file_errors
from mmrec.experiment.run_folder.models import load_model
from mmrec.experiment.run_folder.prior_cache import cached_priors
from mmrec.experiment.settings import EvaluateSettings, EvidenceSettings, SplitData, TrainingSettings
from mmrec.files.storage import read_json
from mmrec.models.recommender import Recommender
from mmrec.tasks.multi.multi_task import MultiTask
from mmrec.types import MODALITIES, Dataset, DatasetSpec

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
    if parts := settings.training(seeds[0]).parts:
        reported |= {key: value for name in parts for key, value in _reported_of_part(run_dir, name, ours).items()}
    found = mean_over_seeds([_evaluate_one(settings, settings.training(seed), evidence, reported) for seed in seeds])
    if missing := found.keys() - reported.keys():
        raise DataError(f"{run_dir / 'metrics.json'}: expected `models.{ours}.{min(missing)}`, found none")
    return Reevaluation(found, reported)


def check_reported(measured: Reevaluation, run_dir: Path) -> None:
    """Raise DataError if metrics differ from those reported by the run."""
    if differing := measured.differing:
        path = run_dir / "metrics.json"
        raise DataError(f"{', '.join(differing)} differ from {path} by more than {TOLERANCE}; were its files changed?")


class Restored(NamedTuple):
    """The model of a run's first seed, with all that it was made from."""

    settings: EvidenceSettings
    training: TrainingSettings
    evidence: Evidence
    spec: DatasetSpec
    priors: Priors
    model: Recommender
    checkpoint: Path
    """The folder of its checkpoints."""

    def remade(self, spec: DatasetSpec) -> Recommender:
        """Return a copy of the trained model with its weights for a changed specification, such as another graph."""
        return load_model(self.training, spec, self.priors, self.checkpoint)


def restore(settings: EvaluateSettings) -> Restored:
    """Restore the model of a run's first seed from its data and checkpoint.

    Raises:
        DataError: the data have changed, or a file of the run is invalid.
    """
    run_dir, record = settings.run_dir, settings.run_dir / "run.json"
    with convert_file_errors(run_dir):
        recorded = read_json(record)
        data_hash, seed = read_entry(record, recorded, ("data", "hash"), str), read_entry(record, recorded, ("seed",), int)
        read_split(run_dir, recorded)
    training, evidence = settings.training(seed), _same_evidence(settings, data_hash)
    if not training.parts:
        return _trained(settings, training, evidence, may_be_cached=True)[0]
    model, _, _, spec, priors = load_trained(settings.evidence, run_dir, training, evidence)
    return Restored(settings.evidence, training, evidence, spec, priors, model, checkpoint_folder(run_dir, seed))


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
    check_unchanged(evidence.dataset, data_hash, settings.run_dir)
    return evidence


def check_unchanged(dataset: Dataset, data_hash: str, run_dir: Path) -> None:
    """Raise DataError if a dataset is not the one of a run."""
    if dataset.content_hash != data_hash:
        raise DataError(f"the data of {dataset.name} have changed since {run_dir} was made; train again")


def _trained(
    settings: EvaluateSettings, training: TrainingSettings, evidence: Evidence, may_be_cached: bool = False
) -> tuple[Restored, SplitData]:
    """The trained model of one seed, and its data module, set up for test. Its priors are fitted again unless they may be cached."""
    data = make_data_module(training, evidence, settings.run_dir / "split")
    data.setup("test")
    spec = make_spec(evidence, data)

    def fit() -> Priors:
        return fit_priors(training.model, spec, data.valid_set(), largest_k(training.measures))

    cache = settings.evidence.features.cache
    priors = cached_priors(settings.run_dir, cache, training.seed, fit) if may_be_cached else fit()
    folder = checkpoint_folder(settings.run_dir, training.seed)
    return Restored(settings.evidence, training, evidence, spec, priors, load_model(training, spec, priors, folder), folder), data


def _evaluate_one(
    settings: EvaluateSettings, training: TrainingSettings, evidence: Evidence, reported: dict[str, float]
) -> dict[str, float]:
    """The test metrics of one seed; graded metrics and AUC only if they were reported."""
    if training.parts:
        return _evaluate_parts(settings, training, evidence, reported)
    restored, data = _trained(settings, training, evidence)
    model = restored.model
    has_grades = any(name.startswith("test/graded_ndcg@") for name in reported)
    graded = read_grades(settings.run_dir / "split", evidence.index).test if has_grades else None
    evaluated = measure_scorer(training.task(model), model.freeze(), data.test_set, graded, "test/auc" in reported)
    _log.info(f"seed {training.seed}: evaluated")
    return values_of(evaluated, "test")


def _evaluate_parts(
    settings: EvaluateSettings, training: TrainingSettings, evidence: Evidence, reported: dict[str, float]
) -> dict[str, float]:
    """As `_evaluate_one`, of every task of a model of several, by the names of `_of_part`."""
    model, parts, data, *_ = load_trained(settings.evidence, settings.run_dir, training, evidence)
    task, found = cast("MultiTask", training.task(model)), dict[str, float]()
    for part in parts:
        has = {name for name in reported if name.startswith(_of_part(part.name, "test/"))}
        has_grades = any("/graded_ndcg@" in name for name in has)
        graded = read_grades(part.folder / "split", part.evidence.index).test if has_grades else None
        with_auc = _of_part(part.name, "test/auc") in has
        measured = measure_scorer(task.parts[part.name], model.head(part.name).freeze(), data[part.name].test_set, graded, with_auc)
        found |= {_of_part(part.name, name): value for name, value in values_of(measured, "test").items()}
    _log.info(f"seed {training.seed}: evaluated")
    return found


def _reported_of_part(run_dir: Path, name: str, ours: str) -> dict[str, float]:
    """The reported metrics of one of several tasks."""
    path = run_dir / "metrics.json"
    measured = read_measured(path, read_entry(path, read_json(path), ("tasks", name), dict), ours)
    return {_of_part(name, metric): value for metric, value in measured.items()}


def _of_part(name: str, metric: str) -> str:
    """The name of a metric of one of several tasks.

    >>> _of_part("search", "test/ndcg@10")
    'test/search/ndcg@10'
    """
    part, _, bare = metric.partition("/")
    return f"{part}/{name}/{bare}"
