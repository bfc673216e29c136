"""Candidates, which are baselines and models in closed form, at their best settings."""

import itertools
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.experiment.measures import tuned_by
from mmrec.experiment.settings import Candidate, TrainingSettings
from mmrec.experiment.tuning.kept_choices import tune_once
from mmrec.experiment.tuning.lift import holds_out_new_items
from mmrec.experiment.tuning.search import Fittable, Tuned
from mmrec.experiment.tuning.space import Search, n_settings, read_space
from mmrec.files.progress import open_progress
from mmrec.models.content.content_matrix import WORDS, sources_of
from mmrec.models.recommender import LackingData
from mmrec.tasks.lift import describe_lift
from mmrec.types import DatasetSpec

_log = logging.getLogger(__name__)
EACH = "each"
"""As a `modality`, or among `sources`: every one that the data have."""


def expand(candidates: Sequence[Candidate], spec: DatasetSpec, valid: EvaluationSet) -> list[Candidate]:
    """The baselines of a run: one that reads `each` source of content stands for one a source that the data have, and those
    `for_new_items` are left out where the split holds out none.
    """
    wanted = [one for one in candidates if not one.for_new_items or holds_out_new_items(spec, valid)]
    return [part for one in wanted for part in _each_source(one, spec)]


def _each_source(candidate: Candidate, spec: DatasetSpec) -> list[Candidate]:
    """`content_knn` with `modality: each` as `content_knn_text`, `content_knn_image`, …; another candidate as it is.

    Of a single `modality` words are none: they are the text again, and common ones make their products dense.
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


def tune_baseline(candidate: Candidate, training: TrainingSettings, spec: DatasetSpec, valid: EvaluationSet) -> Tuned | None:
    """As `tune_candidate`; None, said in a line, where the data lack what the baseline needs."""
    try:
        return tune_candidate(candidate, training, spec, valid)
    except LackingData as error:
        _log.info(f"{candidate.name}: left out, {error}")
        return None


def tune_candidate(candidate: Candidate, training: TrainingSettings, spec: DatasetSpec, valid: EvaluationSet) -> Tuned:
    """The best setting of a candidate's space, or the one that it has without; said in a line. It is handed no test row.

    Raises LackingData as `Fittable.fit`.
    """
    selection = training.selection
    search = Search(dict(candidate.space), candidate.n_trials, training.seed, candidate.capped, candidate.first)
    metric = tuned_by(selection.metric, training.measures)
    n_fits = int(min(max(1, search.n_trials), n_settings(read_space(search.space))))
    with open_progress(f"{candidate.name}: settings tried") as update:
        make = _counted(candidate.make, lambda begun: update(begun, max(begun, n_fits)))
        best, before = tune_once(make, dict(candidate.fixed), search, spec, valid, metric, selection.cache)
    trials = f", best of {best.n_trials}" + (", tuned before" if before else "") if best.parameters else ""
    edges = f"; on the edge of what was tried: {', '.join(found)}" if (found := edges_of(best)) else ""
    _log.info(f"{candidate.name}: val {metric} {best.value:.4f}{trials} {chosen_values(best) or ''}".rstrip() + edges)
    return best


def _counted(make: Callable[..., Fittable], tell: Callable[[int], None]) -> Callable[..., Fittable]:
    """The same, telling with each call how many were made before it."""
    made = itertools.count()

    def counted(**setting: Any) -> Fittable:
        tell(next(made))
        return make(**setting)

    return counted


def chosen(best: Tuned) -> dict[str, Any]:
    """What tuning chose and among how many, as metrics.json keeps it; empty where there was nothing to choose."""
    trials = {"n_trials": best.n_trials} if best.parameters else {}
    edges = edges_of(best)
    return chosen_values(best) | trials | ({"on_the_edge": edges} if edges else {})


def edges_of(best: Tuned) -> list[str]:
    """The names of the values, the lift of new items among them, that lie on the edge of all that was tried."""
    return _short(best.edges) + ([] if best.cold_lift is None else describe_lift(best.cold_lift).get("on_edge", []))


def chosen_values(best: Tuned) -> dict[str, Any]:
    """The values that were chosen by their own names: `embedding_dim` for `model.embedding_dim`; and the lift of new items."""
    lift = {} if best.cold_lift is None else {"cold_lift": best.cold_lift}
    return dict(zip(_short(best.parameters), best.parameters.values(), strict=True)) | lift


def _short(names: Iterable[str]) -> list[str]:
    return [name.rpartition(".")[2] for name in names]
