"""Linear models of who interacts with what, in closed form and in few dimensions: where collaborative vectors start, and a part of the
scores."""

import functools
from collections.abc import Callable
from typing import NamedTuple, Protocol, cast

import scipy.sparse
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.data.tables.aggregates import mean
from mmrec.metrics.full_ranking import rank_and_evaluate
from mmrec.models.recommender import FrozenScorer
from mmrec.nn.propagation import csr_matrix, transpose
from mmrec.types import DatasetSpec, Interactions

_REACH = 5
"""Pairs further apart than that many spans add less than 1% of a neighbour's weight, and are left out."""
_POWER_ITERATIONS, _OVERSAMPLING = 4, 16
_BLOCK = 1024


class LinearFactors(NamedTuple):
    """Vectors whose inner products are the scores of a linear model."""

    users: Float[Tensor, "n_users rank"]
    items: Float[Tensor, "n_items rank"]
    of_items: Float[Tensor, "n_items rank"]
    """A user's vector is, up to its length, the sum of these over their items: so one who is known by a history has a vector too."""

    def truncated(self, rank: int) -> "LinearFactors":
        """The first, largest, `rank` dimensions."""
        return LinearFactors(*(vectors[:, :rank] for vectors in self))


class LinearModel(Protocol):
    """Whatever finds vectors of users and items without a gradient."""

    def fit(self, spec: DatasetSpec, valid: EvaluationSet, k: int) -> LinearFactors:
        """The factors, what is to be chosen chosen by ndcg at `k` on the validation part."""
        ...


class TimeAwareEASE:
    """EASE (Steck 2019, eq. 8) on co-occurrence that counts more what a user had about the same time, cut to its leading dimensions.

    `G = XᵀX + w Σ_u Σ_ij exp(-|p_ui - p_uj| / time_span)`, `p_ui` being the place of item i in the user's history by time, equals sharing
    their mean place; `P = (G + λI)⁻¹`, `B_ij = -P_ij / P_jj` with zero diagonal; scores `XB ≈ (U√S)(V√S)ᵀ` by a truncated singular value
    decomposition (randomised: Halko et al. 2011, algorithm 4.4). λ is a multiple of √n_users.

    Of the lists `regularization` (those multiples), `time_weight` (w) and `rank`, validation takes the best of each in turn. Only the
    `max_items` items with most interactions take part, as memory is quadratic and time cubic in them; all else has zero vectors.
    """

    def __init__(
        self, regularization: list[float], time_weight: list[float], time_span: float, rank: list[int], max_items: int, seed: int
    ) -> None:
        if not (regularization and time_weight and rank and min(regularization) > 0 and min(time_weight) >= 0 and min(rank) > 0):
            raise ValueError(
                "regularization, time_weight, rank: expected lists of positive numbers (time_weight: at least 0), "
                f"came {regularization}, {time_weight}, {rank}"
            )
        if time_span <= 0 or max_items < 1:
            raise ValueError(f"time_span, max_items: expected more than 0, came {time_span}, {max_items}")
        self.regularization, self.time_weight, self.time_span = regularization, time_weight, time_span
        self.rank, self.max_items, self.seed = rank, max_items, seed

    def fit(self, spec: DatasetSpec, valid: EvaluationSet, k: int) -> LinearFactors:
        """The factors that rank the validation part best, by ndcg at `k`."""
        owned = InteractionMatrix.from_pairs(spec.train.user_idx, spec.train.item_idx, spec.n_users, spec.n_items)
        kept = owned.item_degree.topk(min(self.max_items, int((owned.item_degree > 0).sum()))).indices.sort().values
        users, items = owned.rows(torch.arange(spec.n_users))
        place = torch.full((spec.n_items,), -1).index_copy(0, kept, torch.arange(len(kept)))
        inside = place[items] >= 0
        matrix = csr_matrix(users[inside], place[items[inside]], torch.ones(int(inside.sum())), (spec.n_users, len(kept)))
        plain = gram_of(matrix)
        in_time = time_gram(spec.train, place, len(kept), self.time_span) if spec.train.timestamp is not None else torch.zeros_like(plain)

        leading: tuple[float, LinearFactors | None] = (-1.0, None)  # one setting's alone: those of all would be gigabytes

        @functools.cache
        def value(regularization: float, weight: float) -> float:
            nonlocal leading
            item_weights = ease_weights(torch.add(plain, in_time, alpha=weight), regularization * spec.n_users**0.5)
            users, *of_kept = self._factors(matrix, item_weights)
            factors = LinearFactors(users, *(one.new_zeros(spec.n_items, one.shape[1]).index_copy(0, kept, one) for one in of_kept))
            found = ndcg(factors, valid, k)
            leading = max(leading, (found, factors), key=lambda one: one[0])
            return found

        weights = self.time_weight if spec.train.timestamp is not None else [0.0]
        best = max(self.regularization, key=lambda one: value(one, weights[-1]))
        for weight in weights:
            value(best, weight)
        factors = cast(LinearFactors, leading[1])  # a value has been found: no ndcg is as low as where `leading` starts
        return max((factors.truncated(rank) for rank in self.rank), key=lambda one: ndcg(one, valid, k))

    def _factors(self, matrix: Tensor, weights: Float[Tensor, "n n"]) -> LinearFactors:
        """The leading dimensions of `matrix @ weights`, which is never made."""
        rank = min(max(self.rank), *matrix.shape)
        generator = torch.Generator().manual_seed(self.seed)
        matrix_t = transpose(matrix)
        probe = torch.randn(weights.shape[1], min(rank + _OVERSAMPLING, *matrix.shape), generator=generator)
        for _ in range(_POWER_ITERATIONS):
            basis = torch.linalg.qr(matrix @ (weights @ probe)).Q
            probe = torch.linalg.qr(weights.T @ (matrix_t @ basis)).Q
        basis = torch.linalg.qr(matrix @ (weights @ probe)).Q
        left, values, right = torch.linalg.svd((weights.T @ (matrix_t @ basis)).T, full_matrices=False)
        scale, leading = values[:rank].sqrt(), right[:rank].T
        return LinearFactors((basis @ left)[:, :rank] * scale, leading * scale, weights @ leading / scale.clamp(min=1e-12))


class BestLinear:
    """Of several linear models, by whatever names, the one that ranks the validation part best; of equals the first."""

    def __init__(self, models: dict[str, Callable[[], LinearModel]]) -> None:
        if not models:
            raise ValueError("models: expected at least one, came none")
        self.models = models

    def fit(self, spec: DatasetSpec, valid: EvaluationSet, k: int) -> LinearFactors:
        """The factors of the best one, by ndcg at `k`."""
        fitted = (make().fit(spec, valid, k) for make in self.models.values())
        return max(fitted, key=lambda factors: ndcg(factors, valid, k))


def ndcg(factors: LinearFactors, valid: EvaluationSet, k: int) -> float:
    """The mean ndcg at `k` of the inner products."""
    scorer = FrozenScorer(factors.users, factors.items, factors.items[:, :0])
    return mean(rank_and_evaluate(scorer, valid, [k])[f"ndcg@{k}"])


def ease_weights(gram: Float[Tensor, "n n"], regularization: float) -> Float[Tensor, "n n"]:
    """`B_ij = -P_ij / P_jj`, zero where i = j, of `P = (gram + regularization I)⁻¹`; computed in double precision."""
    gram = gram.double()
    gram.diagonal().add_(regularization)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(gram))
    return inverse.div_(-inverse.diagonal().clone()).fill_diagonal_(0).float()  # in place: of 10,000 items each copy is 0.8 GB


def time_gram(train: Interactions, place: Int64[Tensor, " n_items"], n: int, span: float) -> Float[Tensor, "n n"]:
    """How often, and how near in time, two items stand in the same histories; `place` gives an item's row, -1 for those left out.

    Sums `exp(-|p_ui - p_uj| / span)` over users, with 1 on the diagonal for every interaction. An item that a user had more than once
    stands where they last had it. The interactions must have times.
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
    """Places in rows sorted by user and time, counted through all users; rows of the same user and time share their mean place."""
    is_first = (user.diff(prepend=user[:1] - 1) != 0) | (time.diff(prepend=time[:1]) != 0)
    group = is_first.cumsum(0) - 1
    counts = torch.bincount(group)
    return (counts.cumsum(0) - (counts + 1).double() / 2)[group]  # in float32 a place past 8 million has no halves


def gram_of(matrix: Tensor) -> Float[Tensor, "n n"]:
    """`XᵀX` of a CSR matrix of ones. Time is linear in `Σ n_u²` over rows with n_u entries, memory but for the result in the entries."""
    parts = (matrix.values(), matrix.col_indices(), matrix.crow_indices())
    owned = scipy.sparse.csr_array(tuple(part.numpy() for part in parts), shape=tuple(matrix.shape))
    owners, gram = owned.T.tocsr(), torch.empty(matrix.shape[1], matrix.shape[1])
    for start in range(0, len(gram), _BLOCK):
        gram[start : start + _BLOCK] = torch.from_numpy((owners[start : start + _BLOCK] @ owned).toarray())
    return gram
