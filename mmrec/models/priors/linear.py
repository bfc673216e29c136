"""Low-rank linear models of the interactions in closed form, which initialise collaborative vectors and are a part of the scores."""

import functools
import logging
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, cast, runtime_checkable

import scipy.sparse
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.data.tables.aggregates import mean
from mmrec.metrics.full_ranking import rank_and_evaluate
from mmrec.models.closed_form.ease_weights import ease_weights
from mmrec.models.priors.grid import Choices
from mmrec.models.recommender import FrozenScorer
from mmrec.nn.propagation import csr_matrix, transpose
from mmrec.types import DatasetSpec, Interactions

_REACH = 5
"""The number of time spans beyond which pairs, with less than 1% of a neighbour's weight, are left out."""
_POWER_ITERATIONS, _OVERSAMPLING = 4, 16
_BLOCK = 1024
_BYTES_A_PAIR = 24
"""Bytes per pair of items in EASE: two Gram matrices in single precision, and two matrices in double precision during the inversion."""
_PROBE_ITEMS, _HOPEFUL = 1500, 0.97
"""The number of items in a trial, and the fraction of a cheaper model's ndcg that must be reached in it with default hyperparameters."""
_MAX_SCORES = 2**28
"""The number of user-item pairs scored for one value of ndcg, a second or two on one core."""
_log = logging.getLogger(__name__)


class LinearFactors(NamedTuple):
    """Vectors whose inner products are the scores of a linear model."""

    users: Float[Tensor, "n_users rank"]
    items: Float[Tensor, "n_items rank"]
    of_items: Float[Tensor, "n_items rank"]
    """A user's vector is, up to its length, the sum of these over their items, which also gives vectors to histories."""

    def truncated(self, rank: int) -> "LinearFactors":
        """Keep the first `rank` dimensions, which are the largest."""
        return LinearFactors(*(vectors[:, :rank] for vectors in self))


class LinearModel(Protocol):
    """A model that computes vectors of users and items without gradients.

    A model with hyperparameters has an attribute `chosen` after fitting: their values by name, JSON-serialisable.
    """

    def fit(self, spec: DatasetSpec, valid: EvaluationSet, k: int) -> LinearFactors:
        """Return the factors, with hyperparameters chosen by ndcg at `k` on the validation part."""
        ...


@runtime_checkable
class CostlyLinearModel(LinearModel, Protocol):
    """A linear model that is slow on large data, and estimates beforehand whether it is worth fitting."""

    def rejection_reason(self, spec: DatasetSpec, valid: EvaluationSet, k: int, rival: LinearFactors) -> str | None:
        """Return the reason why it would hardly rank the validation part better than `rival`; None if it may."""
        ...


class TimeAwareEASE:
    """EASE (Steck 2019, eq. 8) on co-occurrences that are weighted by proximity in time, truncated to its leading dimensions.

    `G = XᵀX + w Σ_u Σ_ij exp(-|p_ui - p_uj| / time_span)`, where `p_ui` is the position of item i in the user's history, the mean position
    for ties; `P = (G + λI)⁻¹`, `B_ij = -P_ij / P_jj` with zero diagonal; scores are `XB ≈ (U√S)(V√S)ᵀ` by a truncated randomised singular
    value decomposition (Halko et al. 2011, algorithm 4.4).

    Validation chooses the best value of each list in turn, and extends lists with several values whose end is best; `chosen` has the
    result.

    Memory is quadratic and time cubic in items, so only the most popular items are used; all others have zero vectors.

    Args:
        regularization: candidates for λ / √n_users.
        time_weight: candidates for w.
        time_span: in positions of the history.
        rank: candidates for the number of dimensions.
        max_items: the maximal number of items.
        seed: of the decomposition.
        max_gib: the memory limit.
    """

    def __init__(
        self,
        regularization: Sequence[float] = (2.5, 5.0, 10.0),
        time_weight: Sequence[float] = (0.0, 1.0, 3.0),
        time_span: float = 20.0,
        rank: Sequence[int] = (32, 64, 128, 256),
        max_items: int = 10_000,
        seed: int = 0,
        max_gib: float = 0.5,
    ) -> None:
        if not (regularization and time_weight and rank and min(regularization) > 0 and min(time_weight) >= 0 and min(rank) > 0):
            raise ValueError(
                "regularization, time_weight, rank: expected lists of positive numbers (time_weight: at least 0), "
                f"found {regularization}, {time_weight}, {rank}"
            )
        if time_span <= 0 or max_items < 1 or max_gib <= 0:
            raise ValueError(f"time_span, max_items, max_gib: expected more than 0, found {time_span}, {max_items}, {max_gib}")
        self.regularization, self.time_weight, self.time_span = regularization, time_weight, time_span
        self.rank, self.max_items, self.seed, self.max_gib = rank, max_items, seed, max_gib
        self.chosen: dict[str, Any] = {}

    def fit(self, spec: DatasetSpec, valid: EvaluationSet, k: int) -> LinearFactors:
        """The factors with the best ndcg at `k` on the validation part."""
        n_items = self._n_items()
        if (n_known := len(spec.train.item_idx.unique())) > n_items:
            _log.info(f"EASE: {n_items:,} of {n_known:,} items, the most interacted ones, fit max_gib={self.max_gib:g} and max_items")
        problem, has_times = _Problem(spec, n_items, self.time_span, self.seed), spec.train.timestamp is not None
        leading: tuple[float, LinearFactors | None] = (-1.0, None)  # of one setting only: all of them would take gigabytes

        def value(regularization: float, weight: float) -> float:
            nonlocal leading
            factors = problem.factors(regularization, weight, max(self.rank))
            found = ndcg(factors, valid, k)
            leading = max(leading, (found, factors), key=lambda one: one[0])
            return found

        measured = functools.cache(value)
        choices, weights = Choices(), self.time_weight if has_times else [0.0]
        best = choices.take("regularization", self.regularization, lambda one: measured(one, weights[-1]), 0.0)
        weight = choices.take("time_weight", weights, lambda one: measured(best, one), 0.0)
        if leading[1] is None:  # all lists have one value
            measured(best, weight)
        factors = cast(LinearFactors, leading[1])  # not None, as every ndcg is above the initial -1

        highest = factors.items.shape[1]  # more would require a larger decomposition
        rank = choices.take("rank", self.rank, lambda one: ndcg(factors.truncated(int(one)), valid, k), 1, highest)
        self.chosen = choices.plain()
        return factors.truncated(int(rank))

    def rejection_reason(self, spec: DatasetSpec, valid: EvaluationSet, k: int, rival: LinearFactors) -> str | None:
        """Try the middle of each list on the most popular items, if these are a small part of those that fit."""
        n_known = len(spec.train.item_idx.unique())
        if 2 * n_known <= 3 * _PROBE_ITEMS:
            return None
        kept, part, held_out = _part(spec, valid, _PROBE_ITEMS)
        weight = sorted(self.time_weight)[len(self.time_weight) // 2] if spec.train.timestamp is not None else 0.0
        regularization = sorted(self.regularization)[len(self.regularization) // 2]
        factors = _Problem(part, _PROBE_ITEMS, self.time_span, self.seed).factors(regularization, weight, max(self.rank))
        ours, theirs = ndcg(factors, held_out, k), ndcg(rival._replace(items=rival.items[kept]), held_out, k)
        if ours >= _HOPEFUL * theirs:
            return None
        return f"on the {len(kept):,} items with most interactions it reaches ndcg@{k} {ours:.4f}, a cheaper model {theirs:.4f}"

    def _n_items(self) -> int:
        return max(1, min(self.max_items, int((self.max_gib * 2**30 / _BYTES_A_PAIR) ** 0.5)))


class _Problem:
    """The co-occurrence matrices that `TimeAwareEASE` uses for all of its settings."""

    def __init__(self, spec: DatasetSpec, n_items: int, time_span: float, seed: int) -> None:
        owned = InteractionMatrix.from_pairs(spec.train.user_idx, spec.train.item_idx, spec.n_users, spec.n_items)
        self.kept = _most_interacted(owned, n_items)
        users, items = owned.rows(torch.arange(spec.n_users))
        place = torch.full((spec.n_items,), -1).index_copy(0, self.kept, torch.arange(len(self.kept)))
        inside = place[items] >= 0
        self.matrix = csr_matrix(users[inside], place[items[inside]], torch.ones(int(inside.sum())), (spec.n_users, len(self.kept)))
        self.matrix_t, self.n_items, self.unit = transpose(self.matrix), spec.n_items, spec.n_users**0.5
        self.plain = gram_of(self.matrix)
        self.in_time = None if spec.train.timestamp is None else time_gram(spec.train, place, len(self.kept), time_span)
        self.generator = torch.Generator().manual_seed(seed)
        self.probe: Tensor | None = None

    def factors(self, regularization: float, weight: float, rank: int) -> LinearFactors:
        """The leading dimensions of the scores for one setting."""
        gram = self.plain if self.in_time is None else torch.add(self.plain, self.in_time, alpha=weight)
        users, *of_kept = self._leading(ease_weights(gram.double(), regularization * self.unit), rank)
        return LinearFactors(users, *(one.new_zeros(self.n_items, one.shape[1]).index_copy(0, self.kept, one) for one in of_kept))

    def _leading(self, weights: Float[Tensor, "n n"], rank: int) -> LinearFactors:
        """The leading dimensions of `matrix @ weights` without computing it. Each setting starts from the result of the previous one."""
        rank = min(rank, *self.matrix.shape)
        n_probed, n_iterations, probe = min(rank + _OVERSAMPLING, *self.matrix.shape), 1, self.probe
        if probe is None or probe.shape[1] < n_probed:
            n_iterations, probe = _POWER_ITERATIONS, torch.randn(weights.shape[1], n_probed, generator=self.generator)
        for _ in range(n_iterations):
            basis = torch.linalg.qr(self.matrix @ (weights @ probe)).Q
            probe = torch.linalg.qr(weights.T @ (self.matrix_t @ basis)).Q
        basis = torch.linalg.qr(self.matrix @ (weights @ probe)).Q
        left, values, right = torch.linalg.svd((weights.T @ (self.matrix_t @ basis)).T, full_matrices=False)
        self.probe = right.T
        scale, leading = values[:rank].sqrt(), right[:rank].T
        return LinearFactors((basis @ left)[:, :rank] * scale, leading * scale, weights @ leading / scale.clamp(min=1e-12))


def _most_interacted(owned: InteractionMatrix, n: int) -> Int64[Tensor, " n_kept"]:
    """The `n` most popular items, or fewer if not as many have interactions, ascending."""
    return owned.item_degree.topk(min(n, int((owned.item_degree > 0).sum()))).indices.sort().values


def _part(spec: DatasetSpec, valid: EvaluationSet, n: int) -> tuple[Int64[Tensor, " n_kept"], DatasetSpec, EvaluationSet]:
    """The `n` most popular items, and the data restricted to them."""
    train = spec.train
    kept = _most_interacted(InteractionMatrix.from_pairs(train.user_idx, train.item_idx, spec.n_users, spec.n_items), n)
    place = torch.full((spec.n_items,), -1).index_copy(0, kept, torch.arange(len(kept)))
    inside = place[train.item_idx] >= 0
    times = None if train.timestamp is None else train.timestamp[inside]

    def of_kept(owned: InteractionMatrix) -> InteractionMatrix:
        users, items = owned.rows(torch.arange(spec.n_users))
        there = place[items] >= 0
        return InteractionMatrix.from_pairs(users[there], place[items[there]], spec.n_users, len(kept))

    part = DatasetSpec(spec.n_users, len(kept), Interactions(train.user_idx[inside], place[train.item_idx[inside]], times))
    return kept, part, EvaluationSet.build(of_kept(valid.seen), of_kept(valid.positives))


class BestLinear:
    """The linear model with the best ranking of the validation part among several; the first one in case of a tie.

    Costly models are fitted last, and left out if they are not better on a part of the data. `best` is the selected model; `chosen` has its
    hyperparameters and the reasons for leaving out others.
    """

    def __init__(self, models: dict[str, Callable[[], LinearModel]]) -> None:
        if not models:
            raise ValueError("models: expected at least one, found none")
        self.models = models
        self.best: LinearModel | None = None
        self.chosen: dict[str, Any] = {}

    def fit(self, spec: DatasetSpec, valid: EvaluationSet, k: int) -> LinearFactors:
        """The factors of the best model, by ndcg at `k`."""
        best: tuple[float, LinearFactors] | None = None
        left_out = {}
        made = {name: make() for name, make in self.models.items()}
        for name, model in sorted(made.items(), key=lambda one: isinstance(one[1], CostlyLinearModel)):
            if best and isinstance(model, CostlyLinearModel) and (reason := model.rejection_reason(spec, valid, k, best[1])):
                left_out[name] = reason
                _log.info(f"linear: {name} is left out: {reason}")
                continue
            factors = model.fit(spec, valid, k)
            value = ndcg(factors, valid, k)
            if best is None or value > best[0]:
                best, self.best, self.chosen = (value, factors), model, {"model": name} | getattr(model, "chosen", {})
        self.chosen |= {"left_out": left_out} if left_out else {}
        return cast("tuple[float, LinearFactors]", best)[1]


def ndcg(factors: LinearFactors, valid: EvaluationSet, k: int) -> float:
    """The mean ndcg at `k` of the inner products; on large data over a fixed subsample of users."""
    scorer = FrozenScorer(factors.users, factors.items, factors.items[:, :0])
    return mean(rank_and_evaluate(scorer, valid.subsampled(_MAX_SCORES), [k])[f"ndcg@{k}"])


def time_gram(train: Interactions, place: Int64[Tensor, " n_items"], n: int, span: float) -> Float[Tensor, "n n"]:
    """The co-occurrence of items in histories weighted by proximity in time; `place` maps items to rows, with -1 for those left out.

    The sum of `exp(-|p_ui - p_uj| / span)` over users, with 1 on the diagonal for every interaction. A repeated item has its latest
    position. The interactions must have timestamps.
    """
    n_items, timestamp = len(place), cast(Tensor, train.timestamp)
    keys, which = torch.unique(train.user_idx * n_items + train.item_idx, return_inverse=True)
    time = torch.zeros(len(keys), dtype=torch.int64).scatter_reduce(0, which, timestamp, "amax", include_self=False)
    order = time.argsort(stable=True)
    order = order[(keys[order] // n_items).argsort(stable=True)]
    user, item, time = keys[order] // n_items, place[keys[order] % n_items], time[order]
    position = _mean_places(user, time)
    gram = torch.zeros(n * n)
    inside = item[item >= 0]
    gram.index_add_(0, inside * (n + 1), torch.ones(len(inside)))
    longest = int(torch.bincount(user).max()) if len(user) else 0
    for offset in range(1, min(round(_REACH * span), longest - 1) + 1):
        together = (user[offset:] == user[:-offset]) & (item[offset:] >= 0) & (item[:-offset] >= 0)
        later, earlier = item[offset:][together], item[:-offset][together]
        weight = torch.exp((position[:-offset] - position[offset:])[together].float() / span)
        gram.index_add_(0, later * n + earlier, weight)
    gram = gram.view(n, n)
    return gram + gram.T - torch.diag(gram.diagonal())


def _mean_places(user: Int64[Tensor, " n"], time: Int64[Tensor, " n"]) -> Float64[Tensor, " n"]:
    """Positions in rows sorted by user and time, counted over all users; rows of equal user and time share their mean position."""
    is_first = (user.diff(prepend=user[:1] - 1) != 0) | (time.diff(prepend=time[:1]) != 0)
    group = is_first.cumsum(0) - 1
    counts = torch.bincount(group)
    return (counts.cumsum(0) - (counts + 1).double() / 2)[group]  # float32 cannot represent halves beyond 8 million


def gram_of(matrix: Tensor) -> Float[Tensor, "n n"]:
    """`XᵀX` of a binary CSR matrix. Time is linear in `Σ n_u²` over rows with n_u entries; extra memory is linear in the entries."""
    parts = (matrix.values(), matrix.col_indices(), matrix.crow_indices())
    owned = scipy.sparse.csr_array(tuple(part.numpy() for part in parts), shape=tuple(matrix.shape))
    owners, gram = owned.T.tocsr(), torch.empty(matrix.shape[1], matrix.shape[1])
    for start in range(0, len(gram), _BLOCK):
        gram[start : start + _BLOCK] = torch.from_numpy((owners[start : start + _BLOCK] @ owned).toarray())
    return gram
