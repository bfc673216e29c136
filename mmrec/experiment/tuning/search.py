"""Choose the hyperparameters of a model on the validation part within a budget. No test row is available."""

import itertools
import math
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, cast, runtime_checkable

import numpy as np
from jaxtyping import Bool
from torch import Tensor

from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.errors import ConfigError
from mmrec.experiment.tuning.held_out import HeldOut, direction
from mmrec.experiment.tuning.lift import choose_lift, with_lift
from mmrec.experiment.tuning.space import Range, Search, beyond, is_within, n_settings, on_edge, read_space
from mmrec.extras import is_installed
from mmrec.models.fold_in import occurring
from mmrec.models.recommender import LackingData, TrainedScorer
from mmrec.types import DatasetSpec

Setting = dict[str, Any]
VERSION = 6
"""The version of the search, which is part of the cache key, since other versions may choose differently."""
_ASKED = 64
"""The number of users whose scores are inspected to decide whether a baseline can rank new items."""
_ASKED_AT_MOST = 20
"""The maximal number of proposals in multiples of the budget, since the estimator may repeat itself."""
_MAX_SCORES, _LEAST_USERS = 2**28, 1000
"""The maximal number of scores per setting, beyond which a sample of users is used; and its minimal size."""


class Fittable(Protocol):
    """The object of tuning: a model in closed form, or the minimal training of a gradient-based one."""

    def fit(self, spec: DatasetSpec) -> TrainedScorer:
        """Learn from the training part alone. Raises LackingData if the specification lacks what is required."""
        ...


@runtime_checkable
class SharesFit(Protocol):
    """A model whose fits for all settings share an expensive part, which is computed once per search."""

    def prepare(self, spec: DatasetSpec) -> Any:
        """Compute the shared part. Raises LackingData as `fit` does."""
        ...

    def fit_prepared(self, spec: DatasetSpec, prepared: Any) -> TrainedScorer:
        """As `fit`; on a part of the data if the shared part is not whole."""
        ...

    def is_whole(self, prepared: Any) -> bool:
        """Whether `fit_prepared` is equivalent to `fit`; otherwise it only compares settings, and the chosen one is fitted again."""
        ...


class Tuned(NamedTuple):
    """A model with the best of the settings tried."""

    scorer: TrainedScorer
    parameters: Setting
    value: float
    """The validation metric that it was chosen by."""
    n_trials: int
    """The number of settings fitted; 0 if the setting was known before."""
    fit_s: float
    """The wall-clock seconds of fitting the chosen setting."""
    fitted: TrainedScorer
    """The result of `fit`, to which `scorer` may add an offset of new items."""
    cold_lift: float | None = None
    """The chosen offset of new items, if there was a choice."""
    edges: tuple[str, ...] = ()
    """The keys whose chosen value is on the edge of what was tried, so that better ones may exist beyond."""


def tune(make: Callable[..., Fittable], search: Search, spec: DatasetSpec, valid: HeldOut, metric: str) -> Tuned:
    """Fit `make(**setting)` on `spec` for settings of the space, and return the best one on `valid` in a metric such as `ndcg@20`.

    A space with at most `n_trials` settings is searched exhaustively. In larger ones, `n_trials` settings are sampled by the
    tree-structured Parzen estimator (Bergstra et al. 2011; Optuna), or at random if Optuna is not installed, with a seed. If the best
    number is on an edge of its space, values beyond are tried until one is not better, at most half of `n_trials` in total. If all held-out
    items are new and a baseline ranks new items last with one setting, no others are tried. The first of equal settings wins.

    Raises:
        ConfigError: the space has no values.
        LackingData: as in `fit`.
    """
    space = read_space(search.space)
    if isinstance(valid, EvaluationSet):
        valid = valid.subsampled(max(_MAX_SCORES, _LEAST_USERS * valid.seen.n_items))
    trials = _Trials(make, spec, valid, metric)

    def is_done() -> bool:
        return trials.hopeless or len(trials.tried) >= search.n_trials

    if n_settings(space) <= max(search.n_trials, 1):
        for values in itertools.product(*map(_all_values, space.values())):
            trials.measure(dict(zip(space, values, strict=True)))
            if is_done():
                break
    else:
        draw_settings(trials.measure, space, search, is_done, trials.sign)
    edges = () if trials.hopeless else _widen(trials, space, search)
    best = trials.best_of_all_data()
    return best._replace(n_trials=len(trials.tried), edges=edges, scorer=with_lift(best.fitted, spec, best.cold_lift))


class _Trials:
    """The fitted settings, and the best of them."""

    def __init__(self, make: Callable[..., Fittable], spec: DatasetSpec, valid: HeldOut, metric: str) -> None:
        self.make, self.spec, self.valid, self.metric, self.sign = make, spec, valid, metric, direction(valid, metric)
        self.best: Tuned | None = None
        self.tried: list[tuple[Setting, float]] = []
        self.hopeless = False
        """Whether all held-out items are new and the model ranks new items last."""
        self._prepared: Any = None
        self._by_part = False
        """Whether settings are compared on a part of the training data."""

    def measure(self, setting: Setting) -> float:
        """The validation metric of a setting, which is fitted unless it was before."""
        known = next((value for other, value in self.tried if other == setting), None)
        if known is not None:
            return known
        scorer, fit_s = self._fit(setting)
        value, lift = choose_lift(scorer, self.spec, self.valid, self.metric, self.best.cold_lift if self.best else None)
        if not self.tried and isinstance(self.valid, EvaluationSet):
            is_new = ~occurring(self.spec.train.item_idx, self.spec.n_items)
            self.hopeless = bool(is_new[self.valid.positives.indices].all()) and _puts_last(scorer, is_new, self.valid)
        self.tried.append((setting, value))
        if self.best is None or self.sign * value > self.sign * self.best.value:
            self.best = Tuned(scorer, setting, value, 0, fit_s, scorer, lift)
        return value

    def best_of_all_data(self) -> Tuned:
        """The best setting, fitted again if it was fitted on a part of the data."""
        best = cast("Tuned", self.best)  # not None, as a space has at least one setting
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
    """Try values beyond the edges of the space while they are better, and return the keys whose best value is still on an edge.

    If a constructor rejects a value, the space ends there, which does not count as an edge.
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
    return tuple(key for key in space if key not in ended and _edge(trials, space, key))  # including capped ones


def _edge(trials: _Trials, space: dict[str, list[Any] | Range], key: str) -> int:
    return edge_side(cast("Tuned", trials.best).parameters, trials.tried, space[key], key)


def edge_side(best: Setting, tried: Sequence[tuple[Setting, float]], values: list[Any] | Range, key: str) -> int:
    """The edge on (or beyond) which the best value of a key lies, -1 or 1; 0 if a setting further out on that side was tried."""
    value = best[key]
    if len({measured for _, measured in tried}) == 1:  # no edge matters if all settings are equal
        return 0
    if not isinstance(value, int | float) or isinstance(value, bool):
        return 0
    of_key = [setting[key] for setting, _ in tried if setting | {key: value} == best]
    low, high = (values.low, values.high) if isinstance(values, Range) else (min(values, key=_number), max(values, key=_number))
    side = on_edge(values, value) or (-1 if value < low else int(value > high))
    return 0 if any(side * other > side * value for other in of_key) else side


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _puts_last(scorer: TrainedScorer, is_new: Bool[Tensor, " n_items"], valid: EvaluationSet) -> bool:
    """Whether, for a sample of the users, no new item scores above any other."""
    scores = scorer.score_users(valid.user_idx[:_ASKED])
    return bool(len(scores) and (scores[:, is_new].amax(dim=1) <= scores.amin(dim=1)).all())


def fit(make: Callable[..., Fittable], setting: Setting, spec: DatasetSpec) -> tuple[TrainedScorer, float]:
    """Fit a model with one setting, and return it with the time in seconds."""
    start = time.perf_counter()
    return make(**setting).fit(spec), time.perf_counter() - start


def fit_known(make: Callable[..., Fittable], setting: Setting, spec: DatasetSpec, valid: HeldOut, metric: str) -> Tuned:
    """Fit a model with a setting that was chosen before; only the score offset of new items is chosen on `valid`.

    Raises:
        LackingData: as `Fittable.fit`.
    """
    scorer, fit_s = fit(make, setting, spec)
    value, lift = choose_lift(scorer, spec, valid, metric)
    return Tuned(with_lift(scorer, spec, lift), setting, value, 0, fit_s, scorer, lift)


def _all_values(values: list[Any] | Range) -> list[Any]:
    return list(range(int(values.low), int(values.high) + 1)) if isinstance(values, Range) else values


def draw_settings(
    measure: Callable[[Setting], float], space: dict[str, list[Any] | Range], search: Search, is_done: Callable[[], bool], sign: int
) -> None:
    """Sample and evaluate settings until `is_done`; a value that is not finite marks a failed setting.

    Repeated settings cost nothing and tell Optuna to look elsewhere. `search.n_trials` determines how many settings are random; without
    Optuna, which the extra `tune` installs, all are.
    """
    if not is_installed("tune"):
        _draw_at_random(measure, space, search, is_done)
        return
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


def _draw_at_random(
    measure: Callable[[Setting], float], space: dict[str, list[Any] | Range], search: Search, is_done: Callable[[], bool]
) -> None:
    rng = np.random.default_rng(search.seed % 2**32)
    first = [setting for setting in search.first if is_within(setting, space)]
    for i in range(_ASKED_AT_MOST * search.n_trials):
        measure({name: _draw(values, rng) for name, values in space.items()} | (first[i] if i < len(first) else {}))
        if is_done():
            break


def _drawn(value: Any, values: list[Any] | Range) -> Any:
    """Optuna's representation of a value: for choices, the position."""
    return value if isinstance(values, Range) else values.index(value)


def _suggest(trial: Any, space: dict[str, list[Any] | Range]) -> Setting:
    """Sample one value per key with Optuna. Choices are sampled by position, as they may be of any type."""
    setting: Setting = {}
    for name, values in space.items():
        if not isinstance(values, Range):
            setting[name] = values[trial.suggest_categorical(name, list(range(len(values))))]
        elif values.scale == "int":
            setting[name] = trial.suggest_int(name, values.low, values.high)
        else:
            setting[name] = trial.suggest_float(name, values.low, values.high, log=values.scale == "log")
    return setting


def _draw(values: list[Any] | Range, rng: np.random.Generator) -> Any:
    """A value at random: of a range uniformly on its scale."""
    if not isinstance(values, Range):
        return values[rng.integers(len(values))]
    if values.scale == "int":
        return int(rng.integers(int(values.low), int(values.high), endpoint=True))
    if values.scale == "log":
        return values.low * (values.high / values.low) ** float(rng.random())
    return float(rng.uniform(values.low, values.high))
