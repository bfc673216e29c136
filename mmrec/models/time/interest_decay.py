"""How fast the interests of users decay: half-lives by maximum likelihood, for the weights of histories in the fusion model."""

import logging
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import polars as pl
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.data.interactions.sessions import DAY_S, HOUR_S
from mmrec.errors import ConfigError, nearest
from mmrec.models.recommender import LackingData
from mmrec.models.time.choice_sets import ChoiceSets, ChoiceSettings, draw_choice_sets
from mmrec.models.time.half_life import Bounds, ChoiceModel, Estimate, HalfLife, estimate_half_lives
from mmrec.models.time.shrinkage import shrink_to
from mmrec.models.time.similarity import similarity_vectors
from mmrec.nn.time.kernels import kernel_named
from mmrec.types import ITEM_ID, USER_ID, DatasetSpec

_log = logging.getLogger(__name__)
GLOBAL, USER_GROUP, ITEM_CATEGORY, USER = "global", "user_group", "item_category", "user"
BY = (GLOBAL, USER_GROUP, ITEM_CATEGORY, USER)
EVERYBODY, NO_VALUE = "all", "(none)"
_LONGEST_SPANS, _SHORTEST_GAPS = 10.0, 1.0
"""The longest half-life in multiples of the training period, and the shortest in pauses between sessions."""
_LEAST_CHOICES, _MOST_GROUPS = 50, 50
_N_CHOICES = 10_000
"""The maximal number of choices from which a half-life is estimated."""


class Decay(NamedTuple):
    """The decay of the interests of all users."""

    kernel: str
    session_gap_hours: float
    is_long_short: bool
    """Whether interests that do not decay have a part beside those that do."""
    of_users: Float64[Tensor, " n_users"]
    """The half-life of each user's interests in days; infinite if they do not decay."""
    of_items: Float64[Tensor, " n_items"] | None
    """Instead, the half-life of interests in each item, if they depend on it."""
    overall: float
    """The half-life of users outside the training part."""

    def extended(self, n_items: int) -> "Decay":
        """Return the decay with items of which nothing is known after the others, `n_items` in all."""
        if self.of_items is None:
            return self
        more = self.of_items.new_full((n_items - len(self.of_items),), self.overall)
        return self._replace(of_items=torch.cat([self.of_items, more]))


class InterestDecay:
    """Estimates half-lives from the training interactions, see `mmrec.models.time.half_life`.

    A half-life is at least as long as the pause between sessions, and at most ten times the training period. Interests without significant
    decay keep their weight for ever. The items' similarity is that of the evidence that explains the choices best.

    Args:
        kernel: the weight by age, one of `mmrec.nn.time.kernels.KERNELS`.
        by: who has a half-life of their own: `global`, all have the same; `user_group`, each value of a column of the users;
            `item_category`, each value of a column of the items; `user`, each user, shrunk to that of all users or of their group.
        column: the column of groups or categories.
        half_life_days: a known half-life for everybody, instead of an estimate.
        session_gap_hours: a pause that ends a session. Ages are measured between the starts of sessions.
        long_short: whether to add interests that do not decay, with a weight that the fusion model learns.
        similar_by: a column of the items; items with the same value are similar. None: chosen by likelihood from the evidence.
        seed: of the alternatives that are drawn for each choice.

    Raises:
        ConfigError: a name or number is invalid.
    """

    def __init__(
        self,
        kernel: str = "exponential",
        by: str = GLOBAL,
        column: str | None = None,
        half_life_days: float | None = None,
        session_gap_hours: float = 6.0,
        long_short: bool = False,
        similar_by: str | None = None,
        seed: int = 0,
    ) -> None:
        self.kernel = kernel_named(kernel)
        if by not in BY:
            raise ConfigError(f"time.by: there is no `{by}`; {nearest(by, BY)}")
        if by in (USER_GROUP, ITEM_CATEGORY) and column is None:
            of = "users" if by == USER_GROUP else "items"
            raise ConfigError(f"time.column: expected a column of the {of} for time.by={by}, found none")
        if by == GLOBAL and column is not None:
            raise ConfigError(f"time.column: `{column}` is not used with time.by=global; choose user_group, item_category or user")
        if half_life_days is not None and not (0 < half_life_days < math.inf):
            raise ConfigError(f"time.half_life_days: expected more than 0, found {half_life_days}")
        if half_life_days is not None and by != GLOBAL:
            raise ConfigError(f"time.half_life_days: expected null for time.by={by}, which estimates several, found {half_life_days}")
        if session_gap_hours <= 0:
            raise ConfigError(f"time.session_gap_hours: expected more than 0, found {session_gap_hours}")
        self.kernel_name, self.by, self.column, self.half_life_days = kernel, by, column, half_life_days
        self.session_gap_hours, self.long_short, self.similar_by, self.seed = session_gap_hours, long_short, similar_by, seed
        self.table: list[HalfLife] = []
        self.similarity = ""
        self.spread: float | None = None

    def fit(self, spec: DatasetSpec, valid: EvaluationSet, k: int) -> Decay:
        """Estimate the half-lives from the training part of `spec`; the validation part is not used.

        Raises:
            LackingData: the interactions have no times, or too few users have several sessions.
            ConfigError: there is no such column.
        """
        times = spec.train.timestamp
        if times is None:
            raise LackingData(
                "time: interests decay with time, which requires a column `timestamp` of the interactions; add it, or choose time=none"
            )
        groups, users = self._groups(spec)
        if self.half_life_days is not None:
            everybody = torch.full((spec.n_users,), self.half_life_days, dtype=torch.float64)
            return Decay(self.kernel_name, self.session_gap_hours, self.long_short, everybody, None, self.half_life_days)
        n_groups = len(groups) if self.by in (USER_GROUP, USER) else 1
        settings = ChoiceSettings(self.session_gap_hours, n_choices=_N_CHOICES * n_groups)
        sets = draw_choice_sets(spec, settings, torch.Generator().manual_seed(self.seed))
        if len(sets.user_idx) < _LEAST_CHOICES:
            raise LackingData(
                f"time: expected at least {_LEAST_CHOICES} interactions of users with an earlier session, to estimate half-lives, found "
                f"{len(sets.user_idx)}; set time.half_life_days, or choose time=none"
            )
        span = float(times.max() - times.min()) / DAY_S
        shortest = _SHORTEST_GAPS * self.session_gap_hours * HOUR_S / DAY_S
        bounds = Bounds(shortest, max(_LONGEST_SPANS * span, 2 * shortest))
        return self._estimate(spec, sets, bounds, groups, users)

    def _estimate(self, spec: DatasetSpec, sets: ChoiceSets, bounds: Bounds, groups: list[str], classes: Int64[Tensor, " n"]) -> Decay:
        vectors = self._similarity(spec, sets)
        popularity = torch.bincount(spec.train.item_idx, minlength=spec.n_items)
        one_class = torch.zeros(spec.n_items, dtype=torch.int64)

        def estimate(rows: Tensor, kinds: Tensor, names: list[str]) -> Estimate:
            model = ChoiceModel(sets.take(rows), vectors, popularity, kinds, self.kernel)
            return estimate_half_lives(model, bounds, names)

        everything = torch.arange(0, len(sets.user_idx), max(1, len(sets.user_idx) // _N_CHOICES))
        of_everybody = estimate(everything, one_class, [EVERYBODY])
        of_all = of_everybody.half_lives[0]
        overall = _days(of_all)
        of_users = torch.full((spec.n_users,), overall, dtype=torch.float64)
        self.table, of_items = [of_all], None
        if self.by == ITEM_CATEGORY:
            of_each = estimate(everything, classes, groups).half_lives
            is_enough = [one.n_choices >= _LEAST_CHOICES for one in of_each]
            self.table += [one for one, enough in zip(of_each, is_enough, strict=True) if enough]
            days = [_days(one if enough else of_all) for one, enough in zip(of_each, is_enough, strict=True)]
            of_items = torch.tensor(days, dtype=torch.float64)[classes]
        elif self.by == USER_GROUP or (self.by == USER and self.column is not None):
            for at, name in enumerate(groups):
                rows = (classes[sets.user_idx] == at).nonzero().flatten()
                if len(rows) < _LEAST_CHOICES:
                    _log.info(f"time: {name} has {len(rows)} choices, too few for a half-life of its own; it has that of all")
                    continue
                self.table.append(estimate(rows, one_class, [name]).half_lives[0])
                of_users[classes == at] = _days(self.table[-1])
        if self.by == USER and of_users.isfinite().any():
            centre = torch.where(of_users.isfinite(), of_users, bounds.high)
            model = ChoiceModel(sets, vectors, popularity, one_class, self.kernel)
            found = shrink_to(model, of_everybody.coefficients, centre, bounds)
            kept = of_users[found.user_idx].isfinite()  # the interests of a group without decay last
            of_users[found.user_idx[kept]] = found.days[kept]
            self.spread = found.spread
        return Decay(self.kernel_name, self.session_gap_hours, self.long_short, of_users, of_items, overall)

    def _similarity(self, spec: DatasetSpec, sets: ChoiceSets) -> Float[Tensor, "n_items dim"]:
        """The vectors of the evidence that explains a sample of the choices best, apart from decay."""
        if self.similar_by is not None:
            names, codes = _codes(spec.item_table, self.similar_by, "time.similar_by", "items", spec.n_items, _MOST_GROUPS**2)
            self.similarity = self.similar_by
            return torch.nn.functional.one_hot(codes, len(names)).float()
        popularity, found = torch.bincount(spec.train.item_idx, minlength=spec.n_items), dict[str, tuple[float, Tensor]]()
        sample = sets.take(torch.arange(0, len(sets.user_idx), max(1, len(sets.user_idx) // 4000)))
        for name, vectors in similarity_vectors(spec):
            model = ChoiceModel(sample, vectors, popularity, torch.zeros(spec.n_items, dtype=torch.int64), self.kernel)
            found[name] = model.fit_coefficients(torch.zeros(1, dtype=torch.float64), is_decaying=False)[1], vectors
        self.similarity = max(found, key=lambda name: found[name][0])
        return found[self.similarity][1]

    def _groups(self, spec: DatasetSpec) -> tuple[list[str], Int64[Tensor, " n"]]:
        """The names of groups of users or of items, and that of each."""
        if self.by == ITEM_CATEGORY:
            return _codes(spec.item_table, str(self.column), "time.column", "items", spec.n_items)
        if self.column is not None:
            return _codes(spec.user_table, self.column, "time.column", "users", spec.n_users)
        return [EVERYBODY], torch.zeros(spec.n_users, dtype=torch.int64)

    @property
    def chosen(self) -> dict[str, Any]:
        """The estimates as JSON values: by group the half-life, its standard error and its interval."""
        rows = {one.group: _plain(one) for one in self.table}
        known = {} if self.half_life_days is None else {"half_life_days": self.half_life_days}
        known |= {} if self.spread is None else {"spread_of_users": self.spread}
        return {"kernel": self.kernel_name, "by": self.by, "similarity": self.similarity} | known | ({"half_lives": rows} if rows else {})

    def describe(self) -> list[str]:
        """One sentence for each half-life."""
        return [describe_half_life(one) for one in self.table]


def describe_half_life(one: HalfLife) -> str:
    """`half-life of all 37.2 ± 4.1 days (95%: 30.0 to 46.2), from 5,000 choices`; or that there is no decay."""
    if not one.decays:
        return (
            f"half-life of {one.group}: no decay found (p = {one.p_value:.2g}), so that items keep their weight; "
            f"the best estimate would be {one.days:.4g} ± {one.error:.2g} days, from {one.n_choices:,} choices"
        )
    return (
        f"half-life of {one.group}: {one.days:.4g} ± {one.error:.2g} days (95%: {one.low:.4g} to {one.high:.4g}), "
        f"from {one.n_choices:,} choices"
    )


def _plain(one: HalfLife) -> dict[str, Any]:
    return {
        "half_life_days": round(one.days, 4) if one.decays else None,
        "standard_error": round(one.error, 4),
        "low": round(one.low, 4),
        "high": round(one.high, 4),
        "p_value": float(f"{one.p_value:.3g}"),
        "n_choices": one.n_choices,
    }


def _days(one: HalfLife) -> float:
    return one.days if one.decays else math.inf


def _codes(
    table: pl.DataFrame | None, column: str, key: str, of: str, n: int, most: int = _MOST_GROUPS
) -> tuple[list[str], Int64[Tensor, " n"]]:
    """The distinct values of a column, and the position of that of each row. Raises ConfigError for an unsuitable column."""
    known: Sequence[str] = [] if table is None else [name for name in table.columns if name not in (USER_ID, ITEM_ID)]
    if table is None or column not in known:
        raise ConfigError(f"{key}: the {of} have no column `{column}`; {nearest(column, known)}")
    values = table[column].cast(pl.String, strict=False).fill_null(NO_VALUE)
    names = values.unique().sort().to_list()
    if not 2 <= len(names) <= most:
        raise ConfigError(f"{key}: expected a column with 2 to {most} different values, and `{column}` of the {of} has {len(names):,}")
    places = values.replace_strict(names, range(len(names)), return_dtype=pl.Int64)
    return names, torch.from_numpy(places.to_numpy(writable=True))
