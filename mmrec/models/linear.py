"""A linear model of who interacts with what, in closed form and in few dimensions: where collaborative vectors start, and a part of the
scores."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmrec.data.csr import InteractionMatrix
from mmrec.data.sample import EvaluationSet
from mmrec.metrics.full_ranking import rank_and_evaluate
from mmrec.models.recommender import FrozenScorer
from mmrec.nn.propagation import csr_matrix, transpose
from mmrec.types import DatasetSpec, Interactions

_REACH = 5
"""Pairs further apart than that many spans add less than 1% of a neighbour's weight, and are left out."""
_POWER_ITERATIONS, _OVERSAMPLING = 4, 16


class LinearFactors(NamedTuple):
    """Vectors whose inner products are the scores of a linear model."""

    users: Float[Tensor, "n_users rank"]
    items: Float[Tensor, "n_items rank"]

    def truncated(self, rank: int) -> "LinearFactors":
        """The first, largest, `rank` dimensions."""
        return LinearFactors(self.users[:, :rank], self.items[:, :rank])


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
        plain = matrix.to_dense().T @ matrix.to_dense() if spec.n_users * len(kept) < 2**28 else _sparse_gram(matrix)
        in_time = time_gram(spec.train, place, len(kept), self.time_span) if spec.train.timestamp is not None else torch.zeros_like(plain)
        found: dict[tuple[float, float], tuple[float, LinearFactors]] = {}

        def fitted(regularization: float, weight: float) -> tuple[float, LinearFactors]:
            if (regularization, weight) not in found:
                item_weights = ease_weights(plain + weight * in_time, regularization * spec.n_users**0.5)
                factors = self._factors(matrix, item_weights)
                whole = LinearFactors(
                    factors.users, factors.items.new_zeros(spec.n_items, factors.items.shape[1]).index_copy(0, kept, factors.items)
                )
                found[regularization, weight] = ndcg(whole, valid, k), whole
            return found[regularization, weight]

        weights = self.time_weight if spec.train.timestamp is not None else [0.0]
        best = max(self.regularization, key=lambda one: fitted(one, weights[-1])[0])
        weight = max(weights, key=lambda one: fitted(best, one)[0])
        factors = fitted(best, weight)[1]
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
        scale = values[:rank].sqrt()
        return LinearFactors((basis @ left)[:, :rank] * scale, right[:rank].T * scale)


def ndcg(factors: LinearFactors, valid: EvaluationSet, k: int) -> float:
    """The mean ndcg at `k` of the inner products."""
    scorer = FrozenScorer(*factors, factors.items[:, :0])
    return float(rank_and_evaluate(scorer, valid, [k])[f"ndcg@{k}"].mean())


def ease_weights(gram: Float[Tensor, "n n"], regularization: float) -> Float[Tensor, "n n"]:
    """`B_ij = -P_ij / P_jj`, zero where i = j, of `P = (gram + regularization I)⁻¹`; computed in double precision."""
    gram = gram.double()
    gram.diagonal().add_(regularization)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(gram))
    return (-inverse / inverse.diagonal()).fill_diagonal_(0).float()


def time_gram(train: Interactions, place: Int64[Tensor, " n_items"], n: int, span: float) -> Float[Tensor, "n n"]:
    """How often, and how near in time, two items stand in the same histories; `place` gives an item's row, -1 for those left out.

    Sums `exp(-|p_ui - p_uj| / span)` over users, with 1 on the diagonal for every interaction. An item that a user had more than once
    stands where they last had it.
    """
    n_items = len(place)
    keys, which = torch.unique(train.user_idx * n_items + train.item_idx, return_inverse=True)
    time = torch.zeros(len(keys), dtype=torch.int64).scatter_reduce(0, which, train.timestamp, "amax", include_self=False)
    order = time.argsort(stable=True)
    order = order[(keys[order] // n_items).argsort(stable=True)]
    user, item, time = keys[order] // n_items, place[keys[order] % n_items], time[order]
    position = _mean_places(user, time)
    gram = torch.zeros(n * n)
    inside = item[item >= 0]
    gram.index_add_(0, inside * (n + 1), torch.ones(len(inside)))
    for offset in range(1, min(round(_REACH * span), len(user) - 1) + 1):
        together = (user[offset:] == user[:-offset]) & (item[offset:] >= 0) & (item[:-offset] >= 0)
        if not together.any():
            continue
        later, earlier = item[offset:][together], item[:-offset][together]
        weight = torch.exp((position[:-offset] - position[offset:])[together] / span)
        gram.index_add_(0, later * n + earlier, weight)
    gram = gram.view(n, n)
    return gram + gram.T - torch.diag(gram.diagonal())


def _mean_places(user: Int64[Tensor, " n"], time: Int64[Tensor, " n"]) -> Float[Tensor, " n"]:
    """Places in rows sorted by user and time, counted through all users; rows of the same user and time share their mean place."""
    _, group, counts = torch.unique_consecutive(torch.stack([user, time]), dim=1, return_inverse=True, return_counts=True)
    return (counts.cumsum(0) - (counts + 1) / 2)[group].float()


def _sparse_gram(matrix: Tensor, block: int = 4096) -> Float[Tensor, "n n"]:
    """`XᵀX` over blocks of columns, so that X is never dense as a whole."""
    matrix_t, n = transpose(matrix), matrix.shape[1]
    identity = torch.eye(n)
    return torch.cat([matrix_t @ (matrix @ part.T.contiguous()) for part in identity.split(block)], dim=1)
