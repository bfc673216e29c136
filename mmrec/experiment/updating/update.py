"""Update a run with new data: grow its tables, continue its training, and keep the result if validation prefers it."""

import copy
import logging
import math
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch

from mmrec.data.batches.batch_factory import Place
from mmrec.data.folder.write import folder_keys, write_dataset
from mmrec.data.interactions.split import Split
from mmrec.errors import ConfigError, StorageError
from mmrec.evaluation.measure.evaluate import Result
from mmrec.evaluation.measure.grades import read_grades
from mmrec.evaluation.measure.item_groups import make_item_groups
from mmrec.evaluation.pages.run_page import write_report
from mmrec.experiment.encoders.tuned import settle_encoders, write_adapters
from mmrec.experiment.evaluate import check_unchanged, open_items
from mmrec.experiment.evidence import Evidence, load_evidence, make_split, with_impressions
from mmrec.experiment.fit import fit, load_best, quiet_lightning
from mmrec.experiment.measures import largest_k, measure
from mmrec.experiment.models import fit_priors, make_data_module, make_model, make_spec
from mmrec.experiment.run.interests import write_example_interests
from mmrec.experiment.run_folder.files import checkpoint_folder, read_entry, read_index, read_split
from mmrec.experiment.run_folder.find import convert_file_errors
from mmrec.experiment.run_folder.interest_decay import write_interest_decay
from mmrec.experiment.run_folder.origin import remember_run
from mmrec.experiment.run_folder.record import describe_run, times_of_run, write_curves, write_model, write_results
from mmrec.experiment.settings import EvaluateSettings, SplitData, TrainingSettings, TrainSettings
from mmrec.experiment.updating.grown import Grown, Rows, grow_model, write_grown
from mmrec.experiment.updating.new_data import JoinedData, join_data
from mmrec.experiment.updating.pictures import copy_pictures
from mmrec.experiment.updating.settings import UpdateSettings
from mmrec.files.storage import read_json, sha256_tensors, write_folder, write_json, write_text
from mmrec.models.recommender import ClosedFormRecommender, MixedRecommender, Recommender, Weights
from mmrec.tasks.checkpoints import read_best
from mmrec.tasks.task import Task
from mmrec.tasks.updating.warm_start import WarmOptimizer
from mmrec.types import KG, Dataset

_log = logging.getLogger(__name__)
_ROUNDS = 4
"""The most validations of the model before the update, each of which starts from what the one before has chosen."""
_BEFORE = "{} (before)"
"""The name in the results of the run's model with grown tables, which the update has not trained."""


class Updated(NamedTuple):
    """The model of one seed after an update."""

    model: Recommender
    task: Task
    results: tuple[Result, Result]
    """Of the model that is kept, and of the one before."""
    is_kept: bool
    validation: dict[str, Any]
    fit_cpu_s: float
    """The processor time of fitting."""


def update(settings: UpdateSettings) -> Path:
    """Update a run with new data, and return the folder of the updated run, which appears whole or not at all.

    The training part is everything before the update with the oldest new interactions; the newest ones validate and test. The tables of the
    model grow, and training continues from the weights and the optimizer state of the run. If validation does not prefer the result, the
    updated run has the weights of before with grown tables.

    Raises:
        ConfigError: `out` exists, or the model cannot grow.
        DataError: the new data do not fit those of the run, or a file of the run is damaged.
    """
    start = time.perf_counter()
    quiet_lightning()
    if settings.out.exists():
        raise ConfigError(f"out: {settings.out} exists already; name another folder")
    parent, recorded = settings.parent, _read_record(settings.parent)
    kind = parent.training(parent.evidence.seed).model.kind
    if issubclass(kind, ClosedFormRecommender):
        raise ConfigError(f"update: {kind.__name__} is fitted in closed form, so that an update would be a new training; use `mmrec train`")
    if parent.evidence.answers_queries:
        raise ConfigError("update: runs of task=search cannot be updated; train again with `mmrec train`")
    if parent.training(parent.evidence.seed).parts:
        raise ConfigError("update: runs of task=multi cannot be updated; train again with `mmrec train`")
    with convert_file_errors(parent.run_dir):
        index = read_index(parent.run_dir, read_split(parent.run_dir, recorded))
    before = _read_data(parent, read_entry(parent.run_dir / "run.json", recorded, ("data", "hash"), str))
    new = settings.new_data()
    joined = join_data(before, new, settings.shares, settings.allow_older, parent.evidence.seed)
    _log.info(f"new: {', '.join(f'{n:,} {what}' for what, n in joined.grew.items())}")
    names = Rows.of_run(index, open_items(_keeping(parent, before), KG).graph)
    try:
        write_folder(settings.out, lambda folder: _write(settings, folder, joined, (before, new), names, start))
    except OSError as error:
        raise StorageError(f"out: {settings.out} could not be written: {error.strerror or error}; nothing is left of it") from error
    return settings.out


def _read_record(parent: EvaluateSettings) -> dict[str, Any]:
    with convert_file_errors(parent.run_dir):
        recorded: dict[str, Any] = read_json(parent.run_dir / "run.json")
        read_entry(parent.run_dir / "run.json", recorded, ("seeds",), list[int])
        read_entry(parent.run_dir / "run.json", recorded, ("weights_sha256",), str)
    return recorded


def _read_data(parent: EvaluateSettings, data_hash: str) -> Dataset:
    """The data of the run as read, before any filter."""
    read = parent.evidence.dataset()
    dataset = with_impressions(read) if parent.evidence.of_impressions else read
    check_unchanged(dataset, data_hash, parent.run_dir)
    return dataset


def _keeping(parent: EvaluateSettings, dataset: Dataset) -> EvaluateSettings:
    """The same settings, with data that are not read again."""
    return replace(parent, evidence=replace(parent.evidence, dataset=lambda: dataset, of_impressions=False))


def _write(settings: UpdateSettings, folder: Path, joined: JoinedData, data: tuple[Dataset, Dataset], rows: Rows, start: float) -> None:
    """Write the updated run to a folder that is then moved to its place."""
    dataset = copy_pictures(joined.dataset, *data, joined.described.to_list(), folder / "data" / "pictures")
    write_dataset(dataset, folder / "data" / dataset.name)
    run = settings.run(folder, dataset.name, folder_keys(dataset))
    evidence = load_evidence(run.evidence)
    split = make_split(run.evidence, evidence, folder / "split")
    write_text(folder / "config.yaml", run.config)
    remember_run(folder)
    updated = [_update_one(settings, run, seed, evidence, joined, rows) for seed in run.seeds]
    _write_results(settings, run, evidence, split, updated, joined, start)


def _update_one(settings: UpdateSettings, run: TrainSettings, seed: int, evidence: Evidence, joined: JoinedData, rows: Rows) -> Updated:
    """Grow and train the model of one seed, and choose by validation between both."""
    training = run.training(seed)
    data = make_data_module(training, evidence, run.run_dir / "split")
    data.setup("fit")
    spec, began, began_cpu = make_spec(evidence, data), time.perf_counter(), time.process_time()
    priors = fit_priors(training.model, spec, data.valid_set(), largest_k(training.measures))
    model = make_model(training.model, spec, priors, seed)
    task = training.task(model)
    grown = grow_model(task, checkpoint_folder(settings.parent.run_dir, seed), rows.growth(evidence))
    if isinstance(model, MixedRecommender):
        model.weights = Weights()  # as in a new training: from those of before, they would climb with every update
    valid = data.valid_set(task)
    value_before = _validate(task, valid, training)
    before = copy.deepcopy(model).freeze()
    untouched = {name: value.clone() for name, value in model.state_dict().items()}
    _train(settings, training, task, data, _learnt(settings, evidence, data, joined, seed), grown, run.run_dir)
    folder, sign = checkpoint_folder(run.run_dir, seed), training.measures.sign(training.selection.metric)
    value_after = read_best(folder)
    after = None if value_after is None else float(value_after["value"])
    is_kept = after is not None and sign * after > sign * value_before
    if not is_kept:
        write_grown(folder, grown._replace(weights=untouched), training.selection.metric, value_before)
    load_best(model, folder)
    settle_encoders(model, training.model.encoders, spec)
    write_adapters(model, run.run_dir / "adapters" / folder.name)
    fit_s, fit_cpu_s = time.perf_counter() - began, time.process_time() - began_cpu
    _log.info(_verdict(seed, training.selection.metric, value_before, after, is_kept))
    data.setup("test")
    grades = read_grades(run.run_dir / "split", evidence.index)
    ours = Result(training.model.name, seed, *measure(run.auc, task, model.freeze(), data, grades), {}, fit_s, priors.chosen)
    old = Result(_BEFORE.format(ours.model), seed, *measure(run.auc, task, before, data, grades), {}, 0.0)
    values = {"metric": training.selection.metric, "before": value_before, "after": after}
    return Updated(model, task, (ours, old), is_kept, values, fit_cpu_s)


def _verdict(seed: int, metric: str, before: float, after: float | None, is_kept: bool) -> str:
    values = f"{metric} {before:.4f} before, {'none' if after is None else f'{after:.4f}'} after"
    what = "the update is kept" if is_kept else "the update is not kept: the run has the old weights, with grown tables"
    return f"seed {seed}: {values}; {what}"


def _validate(task: Task, rows: Any, training: TrainingSettings) -> float:
    """The selecting metric of the model as it is, after validation has chosen what it chooses in every epoch, until that does not help."""
    sign, best = training.measures.sign(training.selection.metric), -math.inf
    for _ in range(_ROUNDS):
        validated = task.validate(rows)
        value = sign * float(validated.means[training.selection.metric.removeprefix("val/")])
        if value <= best or validated.adopt is None:
            return sign * max(best, value)
        validated.adopt()
        best = value
    return sign * best


def _learnt(
    settings: UpdateSettings, evidence: Evidence, data: SplitData, joined: JoinedData, seed: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """The users of the training batches, and earlier users from whom batches are made for the method."""
    known = joined.new_users.filter(joined.new_users.is_in(evidence.index.user_ids.implode()))
    new = evidence.index.user_idx(known)
    others = torch.ones(evidence.index.n_users, dtype=torch.bool)
    others[new] = False
    others &= data.train.degree > 0
    earlier = others.nonzero().flatten()
    order = torch.randperm(len(earlier), generator=torch.Generator().manual_seed(seed))
    replayed = earlier[order[: round(settings.method.exemplars * len(new))]]
    return torch.cat([new, replayed]), earlier


def _train(
    settings: UpdateSettings,
    training: TrainingSettings,
    task: Task,
    data: SplitData,
    users: tuple[torch.Tensor, torch.Tensor],
    grown: Grown,
    run_dir: Path,
) -> None:
    """Continue the training on the users of the update."""
    learnt, earlier = users
    if len(earlier):
        data.learn_from(earlier)
        added = settings.method.step_losses(task, data.train_batches(task, Place()))
        task.step_losses += [] if added is None else [added]
    data.learn_from(learnt)
    task.train()  # validation has left it in evaluation mode
    fit(training, task, data, checkpoint_folder(run_dir, training.seed), [WarmOptimizer(grown.optimizer)])


def _write_results(
    settings: UpdateSettings,
    run: TrainSettings,
    evidence: Evidence,
    split: Split,
    updated: Sequence[Updated],
    joined: JoinedData,
    start: float,
) -> None:
    """Write what a training writes, and what was updated."""
    folder, first, training = run.run_dir, updated[0], run.training(run.seeds[0])
    data = make_data_module(training, evidence, folder / "split")
    data.setup("test")
    has_vectors = write_model(folder, evidence, first.model)
    write_interest_decay(folder, evidence, first.model)
    write_example_interests(folder)
    write_curves(folder, run.seeds)
    grouping = evidence.dataset.items, evidence.index, run.evidence.item_column, run.evidence.graph.separator
    groups, lower = make_item_groups(data.train, *grouping), training.measures.lower_is_better
    results = [one.results[place] for place in (0, 1) for one in updated]
    write_results(folder, evidence, split, results, data.train, data.test_set(), groups, lower)
    times = times_of_run(start, evidence.features_s, first.results[0].fit_s) | {"fit_cpu_s": first.fit_cpu_s}
    about = describe_run(
        run, evidence, split, times, sum(p.numel() for p in first.model.parameters()), {one.model: one.fit_s for one in first.results}
    )
    about["name"] = settings.out.name
    about["data"]["notes"] = [note.replace(str(folder), str(settings.out)) for note in about["data"]["notes"]]
    about["chosen"] = {str(one.results[0].seed): one.results[0].chosen for one in updated}
    about |= {"weights_sha256": sha256_tensors(first.model.state_dict()), "has_vectors": has_vectors}
    about["update"] = _record(settings, updated, joined)
    write_json(folder / "run.json", about)
    write_report(folder, evidence.dataset)


def _record(settings: UpdateSettings, updated: Sequence[Updated], joined: JoinedData) -> dict[str, Any]:
    """What run.json tells of the update."""
    parent = read_json(settings.parent.run_dir / "run.json")
    return {
        "parent": {"run": str(settings.parent.run_dir), "data": parent["data"]["hash"], "weights_sha256": parent["weights_sha256"]},
        "method": dict(settings.described),
        "grew": joined.grew,
        "kept": {str(one.results[0].seed): one.is_kept for one in updated},
        "validation": {str(one.results[0].seed): one.validation for one in updated},
    }
