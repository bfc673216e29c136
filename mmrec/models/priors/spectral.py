"""Spectral factors of the interaction matrix: a low-pass filter on the user-item graph, for sparse data and any number of items."""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse
import torch
from jaxtyping import Float64
from scipy.sparse.linalg import LinearOperator, eigsh

from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.models.priors.grid import Choices
from mmrec.models.priors.linear import LinearFactors, ndcg
from mmrec.types import DatasetSpec

_MAX_RANK = 512
_EXACT = 2**20
"""The size of the eigenvectors up to which they are computed to full precision; beyond, Lanczos iterations would take too long."""
_POWER_ITERATIONS, _OVERSAMPLING = 10, 16


class Decomposition(NamedTuple):
    """The leading singular triplets of a matrix, in descending order."""

    left: Float64[np.ndarray, "n_users rank"]
    values: Float64[np.ndarray, " rank"]
    right: Float64[np.ndarray, "n_items rank"]


class SpectralFactors:
    """The leading singular vectors of the degree-normalised interactions.

    `(D_u + τ_u)^-½ X (D_i + τ_i)^-½ ≈ U S Vᵀ`, with scores `U S^a (D_i^b V)ᵀ`. These are the eigenvectors of the user-item graph that vary
    least along its edges, so this is an ideal low-pass filter (GF-CF, Shen et al. 2021, section 4, has τ = 0, a = 1, b = ½), whereas
    LightGCN is a smooth one. With a = 0, all kept dimensions have equal weight.

    τ is `smoothing` times the mean degree. Without it, every small component of the graph, such as two users with an item of their own, has
    a singular value of 1 and takes up a leading vector (Amini et al. 2013; Zhang & Rohe 2018).

    Validation chooses the best value of each list in turn, and extends lists with several values whose end is best; `chosen` has the
    result. Memory is linear in interactions, users and items.

    Args:
        rank: candidates for the number of dimensions.
        value_power: candidates for a.
        degree_power: candidates for b.
        seed: of the decomposition.
        smoothing: candidates for τ relative to the mean degree.
    """

    def __init__(
        self,
        rank: Sequence[int] = (16, 24, 32, 48, 64, 96),
        value_power: Sequence[float] = (0.0, 0.5, 1.0),
        degree_power: Sequence[float] = (0.0, 0.25, 0.5),
        seed: int = 0,
        smoothing: Sequence[float] = (0.0, 0.1, 0.3, 1.0, 3.0),
    ) -> None:
        if not (rank and value_power and degree_power and smoothing and min(rank) > 0 and min(smoothing) >= 0):
            raise ValueError(
                "rank, value_power, degree_power, smoothing: expected lists of numbers, the ranks above 0, smoothing at least 0, "
                f"found {rank}, {value_power}, {degree_power}, {smoothing}"
            )
        self.rank, self.value_power, self.degree_power, self.seed, self.smoothing = rank, value_power, degree_power, seed, smoothing
        self.chosen: dict[str, Any] = {}

    def fit(self, spec: DatasetSpec, valid: EvaluationSet, k: int) -> LinearFactors:
        """The factors with the best ndcg at `k` on the validation part."""
        item_degree = _degrees(spec)[1]

        @functools.lru_cache(maxsize=2)
        def decomposed(smoothing: float, rank: int) -> Decomposition:
            return leading(normalized(spec, smoothing), rank, self.seed)

        def factors(smoothing: float, rank: float, value_power: float, degree_power: float) -> LinearFactors:
            left, values, right = (part[..., : int(rank)] for part in decomposed(smoothing, max(int(rank), widest)))
            users = left * values**value_power
            items = right * np.maximum(item_degree, 1)[:, None] ** degree_power
            degree = item_degree + smoothing * item_degree.mean()
            root = np.where(degree > 0, degree, 1.0)[:, None] ** 0.5  # U = D_u^-½ X D_i^-½ V / S, where D_u^-½ scales a user
            of_items = right / root * values ** (value_power - 1)
            return LinearFactors(*(torch.from_numpy(vectors).float() for vectors in (users, items, of_items)))

        def value(smoothing: float, rank: float, value_power: float, degree_power: float) -> float:
            return ndcg(factors(smoothing, rank, value_power, degree_power), valid, k)

        choices, widest = Choices(), 0
        rank, a, b = (_middle(values) for values in (self.rank, self.value_power, self.degree_power))
        smoothing = choices.take("smoothing", self.smoothing, lambda one: value(one, rank, a, b), 0.0)
        widest, most = max(self.rank), min(_MAX_RANK, spec.n_users, spec.n_items)  # one decomposition contains all lower ranks
        rank = choices.take("rank", self.rank, lambda one: value(smoothing, one, a, b), 1, most)
        a = choices.take("value_power", self.value_power, lambda one: value(smoothing, rank, one, b), 0.0)
        b = choices.take("degree_power", self.degree_power, lambda one: value(smoothing, rank, a, one), -1.0, 1.0)
        self.chosen = choices.plain()
        return factors(smoothing, rank, a, b)


def _middle(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]


def _degrees(spec: DatasetSpec) -> tuple[Float64[np.ndarray, " n_users"], Float64[np.ndarray, " n_items"]]:
    """The number of distinct items of each user, and of users of each item."""
    users, items = _pairs(spec)
    return (np.bincount(users, minlength=spec.n_users).astype(np.float64), np.bincount(items, minlength=spec.n_items).astype(np.float64))


def _pairs(spec: DatasetSpec) -> tuple[np.ndarray, np.ndarray]:
    """The users and items of the distinct pairs, sorted."""
    keys = torch.unique(spec.train.user_idx * spec.n_items + spec.train.item_idx).numpy()
    return keys // spec.n_items, keys % spec.n_items


def normalized(spec: DatasetSpec, smoothing: float) -> scipy.sparse.csr_array:
    """`(D_u + τ_u)^-½ X (D_i + τ_i)^-½` of the distinct pairs, with τ equal to `smoothing` times the mean degree."""
    (users, items), (user_degree, item_degree) = _pairs(spec), _degrees(spec)
    product = (user_degree + smoothing * user_degree.mean())[users] * (item_degree + smoothing * item_degree.mean())[items]
    return scipy.sparse.csr_array((product**-0.5, (users, items)), shape=(spec.n_users, spec.n_items))


def leading(matrix: scipy.sparse.csr_array, rank: int, seed: int) -> Decomposition:
    """The `rank` leading singular triplets, or fewer if the matrix has no more, reproducible for equal seeds.

    Computed from the eigenvectors of the smaller of `XXᵀ` and `XᵀX`, approximately for large matrices. `scipy.sparse.linalg.svds` is not
    used because it restarts from an unseeded generator when a Krylov space is exhausted, which happens for repeated singular values.
    """
    if rank >= min(matrix.shape):
        left, values, right = np.linalg.svd(matrix.toarray(), full_matrices=False)
        return _positive(left, values, right.T)
    is_wide = matrix.shape[0] <= matrix.shape[1]
    small = matrix if is_wide else matrix.T.tocsr()
    transposed, generator = small.T.tocsr(), np.random.default_rng(seed)
    if small.shape[0] * rank > _EXACT:
        squares, vectors = _iterated(small, transposed, rank, generator)
    else:
        gram = LinearOperator((small.shape[0],) * 2, matvec=lambda vector: small @ (transposed @ vector), dtype=np.float64)
        start = generator.standard_normal(small.shape[0])
        squares, vectors = eigsh(gram, k=rank, v0=start, rng=generator)  # full precision, as repeated values are missed otherwise
    values, vectors = np.sqrt(squares[::-1].clip(min=0)), vectors[:, ::-1]
    others = (transposed @ vectors) / values.clip(min=1e-12)
    return _positive(vectors, values, others) if is_wide else _positive(others, values, vectors)


def _iterated(
    matrix: scipy.sparse.csr_array, transposed: scipy.sparse.csr_array, rank: int, generator: np.random.Generator
) -> tuple[Float64[np.ndarray, " rank"], Float64[np.ndarray, "n rank"]]:
    """The leading eigenvalues of `XXᵀ`, ascending, and their vectors, by randomised subspace iteration (Halko et al. 2011, alg. 4.4)."""
    basis = generator.standard_normal((matrix.shape[0], min(rank + _OVERSAMPLING, matrix.shape[0])))
    for _ in range(_POWER_ITERATIONS):
        basis = np.linalg.qr(matrix @ (transposed @ basis))[0]
    inside = transposed @ basis
    squares, turned = np.linalg.eigh(inside.T @ inside)
    return squares[-rank:], basis @ turned[:, -rank:]


def _positive(left: np.ndarray, values: np.ndarray, right: np.ndarray) -> Decomposition:
    there = values > 1e-6
    return Decomposition(left[:, there], values[there], right[:, there])
