"""Choosing a model's settings on the validation part, under a stated budget. What chooses is handed no test row."""

import itertools
import time
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, cast

from jaxtyping import Bool
from torch import Tensor

from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.experiment.tuning.lift import choose_lift, with_lift
from mmrec.experiment.tuning.space import Range, Search, n_settings, read_space
from mmrec.metrics.direction import sign
from mmrec.models.fold_in import occurring
from mmrec.models.recommender import TrainedScorer
from mmrec.types import DatasetSpec

Setting = dict[str, Any]
VERSION = 4
"""Of the search: another one may choose otherwise, so what an earlier one chose is not taken for its own."""
_ASKED = 64
"""Users by whose scores it is told whether a baseline knows new items."""
_ASKED_AT_MOST = 20
"""Times the budget: an estimator that insists on what it knows comes to an end."""


class Fittable(Protocol):
    """What is tuned: a model in closed form, or the plain training of one that learns by gradient."""

    def fit(self, spec: DatasetSpec) -> TrainedScorer:
        """Learns from the training part alone. Raises LackingData where the spec has not what it needs."""
        ...


class Tuned(NamedTuple):
    """A model at the best of the settings tried."""

    scorer: TrainedScorer
    parameters: Setting
    value: float
    """The validation mean that chose it."""
    n_trials: int
    """The settings fitted, each once."""
    fit_s: float
    """What fitting the chosen setting took, in seconds of wall time."""
    fitted: TrainedScorer
    """What `fit` gave: a model that `scorer` may add a lift of new items to."""
    cold_lift: float | None = None
    """The lift that was chosen, where there was one to choose."""


def tune(make: Callable[..., Fittable], search: Search, spec: DatasetSpec, valid: EvaluationSet, metric: str) -> Tuned:
    """Fits `make(**setting)` on `spec` for settings of the space; the first of the best on `valid` wins. `metric` is like `ndcg@20`.

    A space of at most `n_trials` settings is tried as a whole, in order; of a larger one `n_trials` are drawn by the tree-structured Parzen
    estimator (Bergstra et al. 2011; Optuna's), seeded. Where all held-out items are new, a baseline that puts new items last at one
    setting has no chance at another, and no other is tried. Raises ConfigError for a space without values, LackingData as `fit`
    does.
    """
    best: Tuned | None = None
    tried: list[tuple[Setting, float]] = []
    is_new = ~occurring(spec.train.item_idx, spec.n_items)
    hopeless = False

    def measure(setting: Setting) -> float:
        nonlocal best, hopeless
        known = next((value for other, value in tried if other == setting), None)
        if known is not None:
            return known
        scorer, fit_s = fit(make, setting, spec)
        value, lift = choose_lift(scorer, spec, valid, metric, best.cold_lift if best else None)
        if not tried:
            hopeless = bool(is_new[valid.positives.indices].all()) and _puts_last(scorer, is_new, valid)
        tried.append((setting, value))
        if best is None or sign(metric) * value > sign(metric) * best.value:
            best = Tuned(scorer, setting, value, 0, fit_s, scorer, lift)
        return value

    def is_done() -> bool:
        return hopeless or len(tried) >= search.n_trials

    space = read_space(search.space)
    if n_settings(space) <= max(search.n_trials, 1):
        settings = (dict(zip(space, values, strict=True)) for values in itertools.product(*map(_all_values, space.values())))
        for setting in settings:
            measure(setting)
            if is_done():
                break
    else:
        _search(measure, space, search, is_done, sign(metric))
    found = cast("Tuned", best)  # a space has one setting at least
    return found._replace(n_trials=len(tried), scorer=with_lift(found.fitted, spec, found.cold_lift))


def _puts_last(scorer: TrainedScorer, is_new: Bool[Tensor, " n_items"], valid: EvaluationSet) -> bool:
    """Whether, for some of the users, no new item scores above any other."""
    scores = scorer.score_users(valid.user_idx[:_ASKED])
    return bool(len(scores) and (scores[:, is_new].amax(dim=1) <= scores.amin(dim=1)).all())


def fit(make: Callable[..., Fittable], setting: Setting, spec: DatasetSpec) -> tuple[TrainedScorer, float]:
    """A model at one setting, fitted, and the seconds that took."""
    start = time.perf_counter()
    return make(**setting).fit(spec), time.perf_counter() - start


def _all_values(values: list[Any] | Range) -> list[Any]:
    return list(range(int(values.low), int(values.high) + 1)) if isinstance(values, Range) else values


def _search(
    measure: Callable[[Setting], float], space: dict[str, list[Any] | Range], search: Search, is_done: Callable[[], bool], sign: int
) -> None:
    """Asks until it is done; a setting that is asked for again costs nothing, and tells Optuna to look elsewhere."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(seed=search.seed % 2**32, n_startup_trials=max(1, search.n_trials // 2))
    study = optuna.create_study(direction="maximize" if sign > 0 else "minimize", sampler=sampler)
    for _ in range(_ASKED_AT_MOST * search.n_trials):
        trial = study.ask()
        study.tell(trial, measure(_suggest(trial, space)))
        if is_done():
            break


def _suggest(trial: Any, space: dict[str, list[Any] | Range]) -> Setting:
    """One value a key, drawn by Optuna. A choice is drawn by its position: choices may be anything."""
    setting: Setting = {}
    for name, values in space.items():
        if not isinstance(values, Range):
            setting[name] = values[trial.suggest_categorical(name, list(range(len(values))))]
        elif values.scale == "int":
            setting[name] = trial.suggest_int(name, values.low, values.high)
        else:
            setting[name] = trial.suggest_float(name, values.low, values.high, log=values.scale == "log")
    return setting
