"""Train one model for several tasks, and measure each of them as a run of that task alone would be."""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, cast

from mmrec.data.interactions.split import Split
from mmrec.errors import ConfigError
from mmrec.evaluation.measure.evaluate import Result
from mmrec.evaluation.measure.grades import read_grades
from mmrec.evaluation.measure.item_groups import make_item_groups
from mmrec.evaluation.pages.run_page import write_report
from mmrec.experiment.baselines import measure_baselines
from mmrec.experiment.fit import fit, load_best
from mmrec.experiment.measures import chosen_in_training, measure
from mmrec.experiment.models import make_model
from mmrec.experiment.multi.data import TasksData
from mmrec.experiment.multi.parts import Part, fit_part_priors, spec_of_parts
from mmrec.experiment.run_folder.files import checkpoint_folder
from mmrec.experiment.run_folder.record import describe_run, times_of_run, write_curves, write_model, write_results
from mmrec.experiment.run_folder.search import write_search
from mmrec.experiment.settings import SplitData, TrainingSettings, TrainSettings
from mmrec.files.storage import read_json, sha256_tensors, write_json
from mmrec.models.multimodal.multi_fusion import RANKING, MultiFusion
from mmrec.models.priors.grid import describe_choices
from mmrec.models.recommender import RANKS
from mmrec.tasks.multi.multi_task import MultiTask

_log = logging.getLogger(__name__)
_OF_TASKS = ("models", "confidence", "seeds", "lower_is_better", "over_rows")
"""What the metrics of the run tell of every task, as its own metrics.json does."""


class Trained(NamedTuple):
    """What one seed gave."""

    results: dict[str, Result]
    """By task."""
    model: MultiFusion
    task: MultiTask


def train_parts(settings: TrainSettings, parts: Sequence[Part], splits: Mapping[str, Split], start: float) -> None:
    """Train and evaluate the model and the baselines of all tasks, and write the run folder; `start` is the start time of the run.

    Raises ConfigError for settings that a model of several tasks does not have.
    """
    if settings.search is not None:
        raise ConfigError("tune.minutes: settings are searched for one task at a time, not for task=multi; leave it null")
    seeds = [_train_one(settings, settings.training(seed), parts) for seed in settings.seeds]
    write_curves(settings.run_dir, settings.seeds)
    fitted_s = time.perf_counter() - start
    lead, *others = parts
    for part in (*others, lead):  # whose run.json says that all is finished
        about = _write_part(settings, part, splits[part.name], seeds, start, fitted_s)
        if part is lead:
            _write_together(settings.run_dir, parts, settings.training(settings.seeds[0]))
        write_json(part.folder / "run.json", about)
        if settings.report:
            write_report(part.folder, part.evidence.dataset)


def _train_one(settings: TrainSettings, training: TrainingSettings, parts: Sequence[Part]) -> Trained:
    """Train one seed, select the epoch by validation, and only then read the test parts."""
    by_name, names = {part.name: part for part in parts}, list(training.parts)
    data = {name: by_name[name].data(training) for name in names}
    whole, start = TasksData(data), time.perf_counter()
    whole.setup("fit")
    spec = spec_of_parts(parts, data, names)
    priors = fit_part_priors(training, parts, data)
    model = cast("MultiFusion", make_model(training.model, spec, priors, training.seed))
    made_s = time.perf_counter() - start
    _log.info(
        f"seed {training.seed}: {sum(p.numel() for p in model.parameters()):,} parameters, tokens {', '.join(model.modalities)}, "
        f"heads {', '.join(model.names)}"
    )
    task, folder = cast("MultiTask", training.task(model)), checkpoint_folder(settings.run_dir, training.seed)
    fit_s = made_s + fit(training, task, cast("SplitData", whole), folder)
    load_best(model, folder)
    results = {}
    for name in names:
        head, part = model.head(name), by_name[name]
        chosen = chosen_in_training(head, data[name].valid_set())
        for about, values in chosen.items():
            _log.info(f"{name}, {about}: {describe_choices(values)}")
        data[name].setup("test")
        grades = read_grades(part.folder / "split", part.evidence.index)
        measured = measure(settings.auc, task.parts[name], head.freeze(), data[name], grades)
        before = priors.chosen if name == RANKING else {}
        results[name] = Result(training.model.name, training.seed, *measured, {}, fit_s, before | chosen)
    return Trained(results, model, task)


def _write_part(
    settings: TrainSettings, part: Part, split: Split, seeds: Sequence[Trained], start: float, fitted_s: float
) -> dict[str, Any]:
    """Write the results of a task as those of a run, and return the content of its run.json."""
    training, first = settings.training(settings.seeds[0]), seeds[0]
    measures, task, head = part.settings.measures, first.task.parts[part.name], first.model.head(part.name)
    results = [one.results[part.name] for one in seeds]
    ranks = results[0].test.ranking is not None
    kept = [one for one in settings.baselines if one.predicts == task.predicts and (ranks or one.predicts != RANKS)]
    of_part = replace(
        training, measures=measures, task_kind=part.settings.task_kind, selection=replace(training.selection, metric=part.settings.metric)
    )
    inside = replace(settings, run_dir=part.folder, baselines=kept)
    data = part.data(training)
    results += measure_baselines(inside, of_part, task, part.evidence, data)
    data.setup("test")
    has_vectors = write_model(part.folder, part.evidence, head)
    write_search(part.folder, part.evidence, head)
    grouping = part.evidence.dataset.items, part.evidence.index, settings.evidence.item_column, settings.evidence.graph.separator
    groups = make_item_groups(data.train, *grouping)
    write_results(part.folder, part.evidence, split, results, data.train, data.test_set(), groups, measures.lower_is_better)
    features_s = part.evidence.features_s
    times = times_of_run(start, features_s, fitted_s - features_s)
    fit_s = {result.model: result.fit_s for result in reversed(results)}
    about = describe_run(inside, part.evidence, split, times, sum(p.numel() for p in first.model.parameters()), fit_s)
    about["chosen"] = {str(result.seed): result.chosen for result in results if result.chosen}
    return about | {"weights_sha256": sha256_tensors(first.model.state_dict()), "has_vectors": has_vectors, "task": part.name}


def _write_together(run_dir: Path, parts: Sequence[Part], training: TrainingSettings) -> None:
    """Add the metrics of all tasks to those of the leading one."""
    found = {part.name: read_json(part.folder / "metrics.json") for part in parts}
    names = [name for name in training.parts if name in found]
    tasks = {name: {key: found[name][key] for key in _OF_TASKS if key in found[name]} for name in names}
    write_json(run_dir / "metrics.json", read_json(run_dir / "metrics.json") | {"tasks": tasks})
