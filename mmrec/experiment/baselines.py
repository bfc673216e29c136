"""Tune candidates, which are baselines and models in closed form, on the validation part."""

import itertools
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.data.batches.interaction_batches import HeldOutRows
from mmrec.evaluation.measure.evaluate import Result
from mmrec.evaluation.measure.grades import read_grades
from mmrec.experiment.evidence import Evidence
from mmrec.experiment.measures import measure, tuned_by
from mmrec.experiment.models import make_spec
from mmrec.experiment.run_folder.files import read_entry
from mmrec.experiment.settings import Candidate, SplitData, TrainingSettings, TrainSettings
from mmrec.experiment.tuning.choice_cache import tune_cached
from mmrec.experiment.tuning.held_out import HeldOut, TaskRows
from mmrec.experiment.tuning.lift import holds_out_new_items
from mmrec.experiment.tuning.search import Fittable, Tuned, fit_known
from mmrec.experiment.tuning.space import Search, n_settings, read_space
from mmrec.extras import is_installed
from mmrec.files.progress import open_progress
from mmrec.files.storage import read_json
from mmrec.models.content.content_matrix import WORDS, sources_of
from mmrec.models.recommender import LackingData
from mmrec.tasks.lift import describe_lift
from mmrec.tasks.task import Task
from mmrec.types import DatasetSpec

_log = logging.getLogger(__name__)
EACH = "each"
"""As `modality`, or in `sources`: expands to every one that the data have."""


def expand(candidates: Sequence[Candidate], spec: DatasetSpec, valid: HeldOut) -> list[Candidate]:
    """The baselines of a run.

    Candidates that read `each` source of content are expanded to one per source in the data. Those `for_new_items` are left out if the
    split holds out no new items.
    """
    of_new = isinstance(valid, EvaluationSet) and holds_out_new_items(spec, valid)
    wanted = [one for one in candidates if not one.for_new_items or of_new]
    return [part for one in wanted for part in _each_source(one, spec)]


def _each_source(candidate: Candidate, spec: DatasetSpec) -> list[Candidate]:
    """Expand `content_knn` with `modality: each` to `content_knn_text`, `content_knn_image`, …; other candidates are unchanged.

    Words are not a `modality` here, since they repeat the text and frequent words make products dense.
    """
    for key, wrap in (("modality", str), ("sources", lambda name: [name])):
        if candidate.fixed.get(key) == wrap(EACH):
            return [
                replace(
                    candidate,
                    name=f"{candidate.name.removesuffix(f'_{EACH}')}_{source}",
                    make=partial(candidate.make, **{key: wrap(source)}),
                    fixed={**candidate.fixed, key: wrap(source)},
                )
                for source in sources_of(spec)
                if key == "sources" or source != WORDS
            ]
    return [candidate]


def with_settings_of(run_dir: Path, candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return the baselines with the settings that a finished run chose for baselines of the same name.

    Baselines that the run does not have, or whose search space has other keys, are tuned as usual. Raises DataError for a damaged folder.
    """
    path = run_dir / "metrics.json"
    tuned = read_entry(path, read_json(path), ("tuned",), dict[str, Any])
    found = [{key: tuned.get(one.name, {}).get(_short_name(key)) for key in one.space} for one in candidates]
    return [
        replace(one, known=known) if known and None not in known.values() else one for one, known in zip(candidates, found, strict=True)
    ]


def tune_baseline(candidate: Candidate, training: TrainingSettings, spec: DatasetSpec, valid: HeldOut) -> Tuned | None:
    """As `tune_candidate`; None, with a log message, if the data lack what the baseline requires."""
    try:
        return tune_candidate(candidate, training, spec, valid)
    except LackingData as error:
        _log.info(f"{candidate.name}: left out, {error}")
        return None


def tune_candidate(candidate: Candidate, training: TrainingSettings, spec: DatasetSpec, valid: HeldOut) -> Tuned:
    """Choose the best setting in a candidate's space, or use its defaults if there is none, and log it. No test row is available.

    Raises LackingData as `Fittable.fit` does.
    """
    selection = training.selection
    search = Search(dict(candidate.space), candidate.n_trials, training.seed, candidate.capped, candidate.first)
    metric = tuned_by(selection.metric, training.measures)
    if candidate.known is not None:
        best = fit_known(candidate.make, dict(candidate.known), spec, valid, metric)
        _log.info(f"{candidate.name}: val {metric} {best.value:.4f}, with the setting of `tuned_in` {chosen_values(best)}")
        return best
    settings = n_settings(read_space(search.space))
    n_fits = int(min(max(1, search.n_trials), settings))
    with open_progress(f"{candidate.name}: settings tried") as update:
        make = _counted(candidate.make, lambda begun: update(begun, max(begun, n_fits)))
        best, before = tune_cached(make, dict(candidate.fixed), search, spec, valid, metric, selection.cache)
    drawn = "" if settings <= n_fits or is_installed("tune") else " drawn at random (by Optuna: pip install 'mmrec[tune]')"
    trials = f", best of {best.n_trials}{drawn}" + (", tuned before" if before else "") if best.parameters else ""
    edges = f"; on the edge of what was tried: {', '.join(found)}" if (found := edges_of(best)) else ""
    _log.info(f"{candidate.name}: val {metric} {best.value:.4f}{trials} {chosen_values(best) or ''}".rstrip() + edges)
    return best


def _counted(make: Callable[..., Fittable], tell: Callable[[int], None]) -> Callable[..., Fittable]:
    """Wrap a factory so that it reports with each call how many calls there were before."""
    made = itertools.count()

    def counted(**setting: Any) -> Fittable:
        tell(next(made))
        return make(**setting)

    return counted


def chosen(best: Tuned) -> dict[str, Any]:
    """The chosen hyperparameters and the number of trials, as stored in metrics.json; empty if there was no choice."""
    trials = {"n_trials": best.n_trials} if best.n_trials and best.parameters else {}
    edges = edges_of(best)
    return chosen_values(best) | trials | ({"on_the_edge": edges} if edges else {})


def edges_of(best: Tuned) -> list[str]:
    """The names of the values, including the offset of new items, on the edge of what was tried."""
    return _short(best.edges) + ([] if best.cold_lift is None else describe_lift(best.cold_lift).get("on_edge", []))


def chosen_values(best: Tuned) -> dict[str, Any]:
    """The chosen values by short names, `embedding_dim` for `model.embedding_dim`, with the offset of new items."""
    lift = {} if best.cold_lift is None else {"cold_lift": best.cold_lift}
    return dict(zip(_short(best.parameters), best.parameters.values(), strict=True)) | lift


def _short(names: Iterable[str]) -> list[str]:
    return [_short_name(name) for name in names]


def _short_name(key: str) -> str:
    return key.rpartition(".")[2]


def measure_baselines(settings: TrainSettings, training: TrainingSettings, task: Task, evidence: Evidence, data: SplitData) -> list[Result]:
    """Evaluate every baseline, tuned on the validation part before the test part is read; those that the data do not allow are left out.

    A baseline with the name of the trained model is renamed to `<name> (baseline)`.
    """
    if not settings.baselines:
        return []
    ours = training.model.name
    data.setup("fit")
    spec = make_spec(evidence, data)
    valid = held_out_of(task, data)
    candidates = expand(settings.baselines, spec, valid)
    if settings.tuned_in is not None:
        candidates = with_settings_of(settings.tuned_in, candidates)
    tuned = {one.name: tune_baseline(one, training, spec, valid) for one in candidates}
    scorers = {name: task.settled(best.scorer, data.valid_set(task)) for name, best in tuned.items() if best is not None}
    data.setup("test")
    grades = read_grades(settings.run_dir / "split", evidence.index)
    return [
        Result(
            f"{name} (baseline)" if name == ours else name,
            training.seed,
            *measure(settings.auc, task, scorers[name], data, grades),
            chosen(best),
            best.fit_s,
        )
        for name, best in tuned.items()
        if best is not None
    ]


def held_out_of(task: Task, data: SplitData) -> HeldOut:
    """The validation rows that choose hyperparameters: those of the task if they are single rows or users to rank for."""
    rows = data.valid_set(task)
    if isinstance(rows, HeldOutRows):
        return TaskRows(task, rows)
    return rows if isinstance(rows, EvaluationSet) else data.valid_set()
