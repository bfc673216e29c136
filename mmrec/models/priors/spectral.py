"""The smoothest patterns of who interacts with what: a linear model for sparse data, and for any number of items."""

import functools
from collections.abc import Sequence
from typing import cast

import numpy as np
import scipy.sparse
import torch
from scipy.sparse.linalg import svds

from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.models.priors.linear import LinearFactors, ndcg
from mmrec.types import DatasetSpec

Setting = tuple[int, float, float]
"""Rank, value power and degree power."""


class SpectralFactors:
    """The leading singular vectors of the interactions, normalised by degrees: `D_u^-½ X D_i^-½ ≈ U S Vᵀ`, scores `U S^a (D_i^b V)ᵀ`.

    They are the eigenvectors of the graph of users and items that vary least along its edges, so this is an ideal low-pass filter on it
    (GF-CF, Shen et al. 2021, section 4, has a = 1, b = ½), as LightGCN is a gentler one. With a = 0 all that are kept count alike.

    Of the lists `rank` (how many are kept), `value_power` (a) and `degree_power` (b), validation takes the best of each in turn. Memory is
    linear in interactions, users and items.
    """

    def __init__(self, rank: list[int], value_power: list[float], degree_power: list[float], seed: int) -> None:
        if not (rank and value_power and degree_power and min(rank) > 0):
            raise ValueError(
                f"rank, value_power, degree_power: expected lists of numbers, the ranks above 0, came {rank}, {value_power}, {degree_power}"
            )
        self.rank, self.value_power, self.degree_power, self.seed = rank, value_power, degree_power, seed

    def fit(self, spec: DatasetSpec, valid: EvaluationSet, k: int) -> LinearFactors:
        """The factors that rank the validation part best, by ndcg at `k`."""
        matrix, item_degree = _normalized(spec)
        left, values, right = _leading(matrix, max(self.rank), self.seed)

        def factors(rank: int, value_power: float, degree_power: float) -> LinearFactors:
            users = left[:, :rank] * values[:rank] ** value_power
            items = right[:rank].T * item_degree[:, None] ** degree_power
            root = np.maximum(item_degree, 1)[:, None] ** 0.5  # U = D_u^-½ X D_i^-½ V / S, of which D_u^-½ is a user's length
            of_items = right[:rank].T / root * values[:rank] ** (value_power - 1)
            return LinearFactors(*(torch.from_numpy(vectors).float() for vectors in (users, items, of_items)))

        @functools.cache
        def value(*setting: *Setting) -> float:
            return ndcg(factors(*setting), valid, k)

        best: Setting = (self.rank[0], self.value_power[0], self.degree_power[0])
        lists: tuple[Sequence[float], ...] = (self.rank, self.value_power, self.degree_power)
        for place, choices in enumerate(lists):
            tried = [cast(Setting, (*best[:place], choice, *best[place + 1 :])) for choice in choices]
            best = max(tried, key=lambda setting: value(*setting)) if len(tried) > 1 else tried[0]
        return factors(*best)


def _normalized(spec: DatasetSpec) -> tuple[scipy.sparse.csr_array, np.ndarray]:
    """`D_u^-½ X D_i^-½`, where a pair counts once, and the degrees of the items."""
    keys = torch.unique(spec.train.user_idx * spec.n_items + spec.train.item_idx).numpy()
    users, items = keys // spec.n_items, keys % spec.n_items
    user_degree, item_degree = np.bincount(users, minlength=spec.n_users), np.bincount(items, minlength=spec.n_items)
    weights = (user_degree[users] * item_degree[items]) ** -0.5
    return scipy.sparse.csr_array((weights, (users, items)), shape=(spec.n_users, spec.n_items)), item_degree.astype(np.float64)


def _leading(matrix: scipy.sparse.csr_array, rank: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`U: (n_users, rank)`, `S: (rank,)` from the largest down, `Vᵀ: (rank, n_items)`; fewer where the matrix has no more."""
    if rank >= min(matrix.shape):
        left, values, right = np.linalg.svd(matrix.toarray(), full_matrices=False)
    else:
        start = np.random.default_rng(seed).standard_normal(min(matrix.shape))
        left, values, right = (part for part in svds(matrix, k=rank, v0=start))
        order = np.argsort(-values)
        left, values, right = left[:, order], values[order], right[order]
    there = values > 1e-9
    return left[:, there], values[there], right[there]
