"""Choosing a model's settings on the validation part, under a stated budget. What chooses is handed no test row."""

import itertools
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, Protocol, cast, runtime_checkable

import torch
from jaxtyping import Bool
from torch import Tensor

from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.errors import ConfigError
from mmrec.experiment.tuning.lift import choose_lift, with_lift
from mmrec.experiment.tuning.space import Range, Search, beyond, is_within, n_settings, on_edge, read_space
from mmrec.metrics.direction import sign
from mmrec.models.fold_in import occurring
from mmrec.models.recommender import LackingData, TrainedScorer
from mmrec.types import DatasetSpec

Setting = dict[str, Any]
VERSION = 6
"""Of the search: another one may choose otherwise, so what an earlier one chose is not taken for its own."""
_ASKED = 64
"""Users by whose scores it is told whether a baseline knows new items."""
_ASKED_AT_MOST = 20
"""Times the budget: an estimator that insists on what it knows comes to an end."""
_SCORES, _LEAST_USERS = 2**28, 1000
"""Scores by which a setting is judged: of a large catalogue those of some users, spread evenly, and of so many at least."""


class Fittable(Protocol):
    """What is tuned: a model in closed form, or the plain training of one that learns by gradient."""

    def fit(self, spec: DatasetSpec) -> TrainedScorer:
        """Learns from the training part alone. Raises LackingData where the spec has not what it needs."""
        ...


@runtime_checkable
class SharesFit(Protocol):
    """A model of which fits at all settings share the costly part, which is then done once a search."""

    def prepare(self, spec: DatasetSpec) -> Any:
        """What is shared. Raises LackingData as `fit`."""
        ...

    def fit_prepared(self, spec: DatasetSpec, prepared: Any) -> TrainedScorer:
        """As `fit`; to a part of the data where the shared part is not whole."""
        ...

    def is_whole(self, prepared: Any) -> bool:
        """Whether `fit_prepared` gives what `fit` does; else it only tells settings apart, and the chosen one is fitted again."""
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
    edges: tuple[str, ...] = ()
    """The keys whose chosen value lies on the edge of all that was tried, so that a better one may lie beyond."""


def tune(make: Callable[..., Fittable], search: Search, spec: DatasetSpec, valid: EvaluationSet, metric: str) -> Tuned:
    """Fits `make(**setting)` on `spec` for settings of the space; the first of the best on `valid` wins. `metric` is like `ndcg@20`.

    A space of at most `n_trials` settings is tried as a whole, in order; of a larger one `n_trials` are drawn by the tree-structured Parzen
    estimator (Bergstra et al. 2011; Optuna's), seeded. Where the best value of a number then lies on the edge of its space, those beyond
    it are tried until one is no better, half of `n_trials` in all. Where all held-out items are new, a baseline that puts new items last
    at one setting has no chance at another, and no other is tried. Raises ConfigError for a space without values, LackingData as `fit`.
    """
    space = read_space(search.space)
    trials = _Trials(make, spec, _some_users(valid), metric)

    def is_done() -> bool:
        return trials.hopeless or len(trials.tried) >= search.n_trials

    if n_settings(space) <= max(search.n_trials, 1):
        for values in itertools.product(*map(_all_values, space.values())):
            trials.measure(dict(zip(space, values, strict=True)))
            if is_done():
                break
    else:
        draw_settings(trials.measure, space, search, is_done, sign(metric))
    edges = () if trials.hopeless else _widen(trials, space, search)
    best = trials.best_of_all_data()
    return best._replace(n_trials=len(trials.tried), edges=edges, scorer=with_lift(best.fitted, spec, best.cold_lift))


class _Trials:
    """The settings that were fitted, each once, and the best of them."""

    def __init__(self, make: Callable[..., Fittable], spec: DatasetSpec, valid: EvaluationSet, metric: str) -> None:
        self.make, self.spec, self.valid, self.metric = make, spec, valid, metric
        self.best: Tuned | None = None
        self.tried: list[tuple[Setting, float]] = []
        self.hopeless = False
        """Whether all held-out items are new and the model puts new items last."""
        self._prepared: Any = None
        self._by_part = False
        """Whether settings are judged by a part of the training data."""

    def measure(self, setting: Setting) -> float:
        """The mean on the validation part at a setting, which is fitted unless it was before."""
        known = next((value for other, value in self.tried if other == setting), None)
        if known is not None:
            return known
        scorer, fit_s = self._fit(setting)
        value, lift = choose_lift(scorer, self.spec, self.valid, self.metric, self.best.cold_lift if self.best else None)
        if not self.tried:
            is_new = ~occurring(self.spec.train.item_idx, self.spec.n_items)
            self.hopeless = bool(is_new[self.valid.positives.indices].all()) and _puts_last(scorer, is_new, self.valid)
        self.tried.append((setting, value))
        if self.best is None or sign(self.metric) * value > sign(self.metric) * self.best.value:
            self.best = Tuned(scorer, setting, value, 0, fit_s, scorer, lift)
        return value

    def best_of_all_data(self) -> Tuned:
        """The best setting, fitted again where it was judged by a fit to a part of the data."""
        best = cast("Tuned", self.best)  # a space has one setting at least
        if not self._by_part:
            return best
        scorer, fit_s = fit(self.make, best.parameters, self.spec)
        value, lift = choose_lift(scorer, self.spec, self.valid, self.metric, best.cold_lift)
        return best._replace(scorer=scorer, fitted=scorer, value=value, fit_s=fit_s, cold_lift=lift)

    def _fit(self, setting: Setting) -> tuple[TrainedScorer, float]:
        start, model = time.perf_counter(), self.make(**setting)
        if not isinstance(model, SharesFit):
            return model.fit(self.spec), time.perf_counter() - start
        if self._prepared is None:
            self._prepared = model.prepare(self.spec)
            self._by_part = not model.is_whole(self._prepared)
        return model.fit_prepared(self.spec, self._prepared), time.perf_counter() - start


def _widen(trials: _Trials, space: dict[str, list[Any] | Range], search: Search) -> tuple[str, ...]:
    """Tries values beyond the edges of the space as long as that is better; the keys whose best value is on an edge even so.

    A value that a constructor refuses is where its space ends for good, which is no edge.
    """
    left, open_keys, ended = search.n_trials // 2, [key for key in space if key not in search.capped], set()
    while left and (found := next(((key, side) for key in open_keys if (side := _edge(trials, space, key)) and key not in ended), None)):
        key, side = found
        best = cast("Tuned", trials.best).parameters
        value = best[key]
        try:
            trials.measure(best | {key: beyond(space[key], value, side)})
        except (ConfigError, ValueError) as error:
            if isinstance(error, LackingData):
                raise
            ended.add(key)
            continue
        left -= 1
    return tuple(key for key in space if key not in ended and _edge(trials, space, key))  # capped ones among them


def _edge(trials: _Trials, space: dict[str, list[Any] | Range], key: str) -> int:
    return edge_side(cast("Tuned", trials.best).parameters, trials.tried, space[key], key)


def edge_side(best: Setting, tried: Sequence[tuple[Setting, float]], values: list[Any] | Range, key: str) -> int:
    """On which edge of its space, or beyond which, the best value of a key lies; 0 where a setting on that side of it was tried as well."""
    value = best[key]
    if len({measured for _, measured in tried}) == 1:  # where nothing is better than anything, no edge is
        return 0
    if not isinstance(value, int | float) or isinstance(value, bool):
        return 0
    of_key = [setting[key] for setting, _ in tried if setting | {key: value} == best]
    low, high = (values.low, values.high) if isinstance(values, Range) else (min(values, key=_number), max(values, key=_number))
    side = on_edge(values, value) or (-1 if value < low else int(value > high))
    return 0 if any(side * other > side * value for other in of_key) else side


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _some_users(valid: EvaluationSet) -> EvaluationSet:
    """The users of an evaluation set by whom settings are judged."""
    n = max(_LEAST_USERS, _SCORES // max(1, valid.seen.n_items))
    users = valid.user_idx
    return valid if len(users) <= n else replace(valid, user_idx=users[torch.arange(n) * len(users) // n])


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


def draw_settings(
    measure: Callable[[Setting], float], space: dict[str, list[Any] | Range], search: Search, is_done: Callable[[], bool], sign: int
) -> None:
    """Draws settings and measures them until it is done; a value that is not finite is a setting that failed.

    A setting that is drawn again costs nothing, and tells Optuna to look elsewhere. `search.n_trials` says how long to draw at random.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(seed=search.seed % 2**32, n_startup_trials=max(1, search.n_trials // 2))
    study = optuna.create_study(direction="maximize" if sign > 0 else "minimize", sampler=sampler)
    for setting in (one for one in search.first if is_within(one, space)):
        study.enqueue_trial({name: _drawn(value, space[name]) for name, value in setting.items()})
    for _ in range(_ASKED_AT_MOST * search.n_trials):
        trial = study.ask()
        value = measure(_suggest(trial, space))
        if math.isfinite(value):
            study.tell(trial, value)
        else:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
        if is_done():
            break


def _drawn(value: Any, values: list[Any] | Range) -> Any:
    """What Optuna draws for a value: of choices the position."""
    return value if isinstance(values, Range) else values.index(value)


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
