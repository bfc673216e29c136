"""Train: from data to split, model, metrics and report, in one run folder."""

import logging
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.data.interactions.split import Split
from mmrec.errors import ConfigError, Terminated
from mmrec.evaluation.measure.counterfactual import Counterfactual, counterfactuals, describe_worth, measure_counterfactuals
from mmrec.evaluation.measure.evaluate import Result
from mmrec.evaluation.measure.grades import read_grades
from mmrec.evaluation.measure.item_groups import make_item_groups
from mmrec.evaluation.pages.run_page import write_report
from mmrec.experiment.baselines import chosen, held_out_of, measure_baselines, tune_candidate
from mmrec.experiment.encoders.tuned import describe_encoders, encoders_record, settle_encoders, write_adapters
from mmrec.experiment.evidence import Evidence, load_evidence, make_split
from mmrec.experiment.fit import fit, load_best, quiet_lightning
from mmrec.experiment.measures import chosen_in_training, largest_k, measure
from mmrec.experiment.model_search import search_settings
from mmrec.experiment.models import fit_priors, make_data_module, make_model, make_spec
from mmrec.experiment.multi.parts import load_parts, split_parts
from mmrec.experiment.multi.train import train_parts
from mmrec.experiment.run.interests import write_example_interests
from mmrec.experiment.run_folder.changes import record_changes
from mmrec.experiment.run_folder.files import checkpoint_folder
from mmrec.experiment.run_folder.find import is_finished
from mmrec.experiment.run_folder.interest_decay import write_interest_decay
from mmrec.experiment.run_folder.lock import lock_run
from mmrec.experiment.run_folder.models import write_fitted
from mmrec.experiment.run_folder.origin import remember_run
from mmrec.experiment.run_folder.record import describe_run, times_of_run, write_curves, write_model, write_results
from mmrec.experiment.run_folder.search import write_search
from mmrec.experiment.settings import SplitData, TrainingSettings, TrainSettings
from mmrec.files.storage import sha256_tensors, write_json, write_parquet, write_text
from mmrec.models.priors.grid import describe_choices
from mmrec.models.recommender import RANKS, ClosedFormRecommender, Recommender
from mmrec.tasks.task import check_columns
from mmrec.types import DatasetSpec

_log = logging.getLogger(__name__)
Remake = Callable[[DatasetSpec], Recommender]


def train(settings: TrainSettings) -> Path:
    """Train a model, compare it with the baselines, and return the run folder with all results.

    Raises ConfigError, DataError, … if possible before any long computation; Terminated if the process is asked to stop.
    """
    start, run_dir = time.perf_counter(), settings.run_dir
    quiet_lightning()
    with lock_run(run_dir, "resume" if settings.is_resumed else "run_dir"):
        if not settings.is_resumed and is_finished(run_dir):
            raise ConfigError(f"run_dir: {run_dir} holds a finished run; name another folder, or none for a new one")
        evidence = load_evidence(settings.evidence)
        training = settings.training(settings.seeds[0])
        if training.parts:
            parts = load_parts(settings.evidence, training.parts, run_dir, evidence)
            splits = split_parts(settings.evidence, parts, settings.is_resumed)
        else:
            check_columns(training.task_kind, evidence.dataset.interactions.columns)
            split = make_split(settings.evidence, evidence, run_dir / "split", settings.is_resumed)  # invalid data leave no files
        record_changes(run_dir, settings.seeds, settings.changes or {})
        write_text(run_dir / "config.yaml", settings.config)
        remember_run(run_dir)
        with _resumable(run_dir):
            if training.parts:
                train_parts(settings, parts, splits, start)
            else:
                _train_and_measure(search_settings(settings, evidence), evidence, split, start)
    return run_dir


def _train_and_measure(settings: TrainSettings, evidence: Evidence, split: Split, start: float) -> None:
    """Train and evaluate our model and the baselines, and write the run folder; `start` is the start time of the run."""
    run_dir, training = settings.run_dir, settings.training(settings.seeds[0])
    results, first, remake = _train_seeds(settings, evidence)
    trained_s = time.perf_counter() - start - evidence.features_s
    ranks, task = results[0].test.ranking is not None, training.task(first)
    others = [one.name for one in settings.baselines if one.predicts != task.predicts or (one.predicts == RANKS and not ranks)]
    if others:
        _log.info(f"baselines left out because they do not predict what this task measures: {', '.join(others)}")
    kept = replace(settings, baselines=[one for one in settings.baselines if one.name not in others])
    data = make_data_module(training, evidence, run_dir / "split")
    results += measure_baselines(kept, training, task, evidence, data)
    data.setup("test")
    has_vectors = write_model(run_dir, evidence, first)
    write_search(run_dir, evidence, first)
    write_interest_decay(run_dir, evidence, first)
    write_example_interests(run_dir)
    write_curves(run_dir, [result.seed for result in results if result.model == results[0].model])
    grouping = evidence.dataset.items, evidence.index, settings.evidence.item_column, settings.evidence.graph.separator
    groups, lower = make_item_groups(data.train, *grouping), training.measures.lower_is_better
    write_results(run_dir, evidence, split, results, data.train, data.test_set(), groups, lower)
    if ranks:
        changed = counterfactuals(first, make_spec(evidence, data), remake, training.seed)
        rows = cast("EvaluationSet", data.test_set(task))
        changed = (one._replace(scorer=task.scorer_on(one.scorer, rows)) for one in changed)
        _write_counterfactuals(training, run_dir, changed, results[0], data)
    times = times_of_run(start, evidence.features_s, trained_s)
    fit_s = {result.model: result.fit_s for result in reversed(results)}  # the first seed's
    about = describe_run(settings, evidence, split, times, sum(p.numel() for p in first.parameters()), fit_s)
    if tuned := encoders_record(first):
        about["tuned_encoders"] = tuned
    about["chosen"] = {str(result.seed): result.chosen for result in results if result.chosen}
    write_json(run_dir / "run.json", about | {"weights_sha256": sha256_tensors(first.state_dict()), "has_vectors": has_vectors})
    if settings.report:
        write_report(run_dir, evidence.dataset)


@contextmanager
def _resumable(run_dir: Path) -> Iterator[None]:
    """Add to the message of an interruption how to resume the run."""
    try:
        yield
    except (Terminated, KeyboardInterrupt) as end:
        signum = end.signum if isinstance(end, Terminated) else signal.SIGINT
        raise Terminated(signum, f"; `mmrec train resume={run_dir}` continues from here") from None


def _train_seeds(settings: TrainSettings, evidence: Evidence) -> tuple[list[Result], Recommender, Remake]:
    """The results of all seeds, the trained model of the first one, and a factory of untrained copies."""
    trained = [_train_one(settings, settings.training(seed), evidence) for seed in settings.seeds]
    return [result for result, *_ in trained], *trained[0][1:]


def _train_one(settings: TrainSettings, training: TrainingSettings, evidence: Evidence) -> tuple[Result, Recommender, Remake]:
    """Train one seed, select the epoch with the best validation metric, and only then read the test part."""
    data = make_data_module(training, evidence, settings.run_dir / "split")
    data.setup("fit")
    spec, start = make_spec(evidence, data), time.perf_counter()
    if issubclass(training.model.kind, ClosedFormRecommender):
        return _fit_one(settings, training, evidence, data)
    priors = fit_priors(training.model, spec, data.valid_set(), largest_k(training.measures))
    remake = partial(_make_untrained, training, priors=priors)
    model, made_s = remake(spec), time.perf_counter() - start
    _log.info(
        f"seed {training.seed}: {sum(p.numel() for p in model.parameters()):,} parameters"
        + (f", tokens {', '.join(model.modalities)}" if model.modalities else "")
    )
    describe_encoders(model)
    task, folder = training.task(model), checkpoint_folder(settings.run_dir, training.seed)
    fit_s = made_s + fit(training, task, data, folder)
    load_best(model, folder)
    settle_encoders(model, training.model.encoders, spec)
    write_adapters(model, settings.run_dir / "adapters" / folder.name)
    searched = {"settings": dict(settings.searched)} if settings.searched else {}
    chosen = chosen_in_training(model, data.valid_set())
    for name, values in chosen.items():
        _log.info(f"{name}: {describe_choices(values)}")
    data.setup("test")
    measured = measure(settings.auc, task, model.freeze(), data, read_grades(settings.run_dir / "split", evidence.index))
    return Result(training.model.name, training.seed, *measured, {}, fit_s, searched | priors.chosen | chosen), model, remake


def _make_untrained(training: TrainingSettings, spec: DatasetSpec, priors: dict[str, Any]) -> Recommender:
    return make_model(training.model, spec, priors, training.seed)


def _fit_one(
    settings: TrainSettings, training: TrainingSettings, evidence: Evidence, data: SplitData
) -> tuple[Result, Recommender, Remake]:
    """As `_train_one`, for a model in closed form, which is tuned like a baseline."""
    name, spec = training.model.name, make_spec(evidence, data)
    remake: Remake = partial(_make_untrained, training, priors={})
    task = training.task(remake(spec))
    best = tune_candidate(training.candidate, training, spec, held_out_of(task, data))
    scorer, model = task.settled(best.scorer, data.valid_set(task)), cast("ClosedFormRecommender", best.fitted)
    write_fitted(checkpoint_folder(settings.run_dir, training.seed), model, best.parameters)
    data.setup("test")
    measured = measure(settings.auc, training.task(model), scorer, data, read_grades(settings.run_dir / "split", evidence.index))
    return Result(name, training.seed, *measured, chosen(best), best.fit_s), model, remake


def _write_counterfactuals(
    training: TrainingSettings, run_dir: Path, changed: Iterator[Counterfactual], result: Result, data: SplitData
) -> None:
    """Write counterfactuals.parquet for the first seed's model, and log a sentence per modality."""
    k = largest_k(training.measures)
    table = measure_counterfactuals(result.test.lists, changed, data.test_set(), data.train, k, training.seed)
    if len(table):
        write_parquet(run_dir / "counterfactuals.parquet", table)
    for sentence in describe_worth(table, f"ndcg@{k}"):
        _log.info(sentence)
