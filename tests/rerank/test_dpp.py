"""mmrec.rerank.dpp: the greedy maximum of a determinant, as computed by brute force, and full lists where the rank is too low."""

import numpy as np
import pytest
import torch

from mmrec.rerank.dpp import dpp

N_KERNELS, M, K = 200, 12, 6


def brute_force(kernel: np.ndarray, k: int) -> list[int]:
    """In each step, the item with which the determinant of the chosen rows and columns is largest."""
    chosen: list[int] = []
    for _ in range(k):
        found = {i: np.linalg.slogdet(kernel[np.ix_([*chosen, i], [*chosen, i])]) for i in range(len(kernel)) if i not in chosen}
        chosen.append(max(found, key=lambda i: found[i].logabsdet if found[i].sign > 0 else -np.inf))
    return chosen


def test_it_is_the_greedy_maximum_of_the_determinant_of_random_kernels() -> None:
    factors = np.random.default_rng(0).normal(size=(N_KERNELS, M, M))
    norms = np.linalg.norm(factors, axis=2)
    units, relevance = torch.from_numpy(factors / norms[:, :, None]), torch.from_numpy(2 * np.log(norms))
    found = dpp(relevance, units, torch.ones(N_KERNELS, M, dtype=torch.bool), K, 0.5)  # λ = 0.5: the kernel is that of the factors
    assert found.tolist() == [brute_force(one @ one.T, K) for one in factors]


def test_trade_offs_weigh_relevance_in_the_kernel() -> None:
    generator = np.random.default_rng(1)
    units = generator.normal(size=(20, M, M))
    units /= np.linalg.norm(units, axis=2, keepdims=True)
    relevance = generator.random((20, M))
    for trade_off in (0.1, 0.3, 0.9):
        found = dpp(torch.from_numpy(relevance), torch.from_numpy(units), torch.ones(20, M, dtype=torch.bool), K, trade_off)
        quality = np.exp((1 - trade_off) * relevance / (2 * trade_off))
        kernels = quality[:, :, None] * (units @ units.transpose(0, 2, 1)) * quality[:, None, :]
        assert found.tolist() == [brute_force(kernel, K) for kernel in kernels]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_list_goes_on_by_relevance_where_the_rank_is_too_low(dtype: torch.dtype) -> None:
    """Three directions, each of which two items have: the less relevant twins come last, in their order."""
    vectors = torch.eye(3, dtype=dtype)[[0, 0, 1, 1, 2, 2]][None]
    relevance = torch.tensor([[1.0, 0.9, 0.8, 0.7, 0.6, 0.5]], dtype=torch.float64)
    assert dpp(relevance, vectors, torch.ones(1, 6, dtype=torch.bool), 6, 0.5).tolist() == [[0, 2, 4, 1, 3, 5]]


@pytest.mark.parametrize("dim", [1, 2, 5])
def test_lists_of_kernels_of_any_rank_have_k_different_items(dim: int) -> None:
    vectors = torch.nn.functional.normalize(torch.randn(50, M, dim, generator=torch.Generator().manual_seed(dim)).double(), dim=2)
    relevance = torch.rand(50, M, generator=torch.Generator().manual_seed(0)).double()
    found = dpp(relevance, vectors, torch.ones(50, M, dtype=torch.bool), 10, 0.5)
    assert all(len(set(one)) == 10 and min(one) >= 0 for one in found.tolist())
    rest = torch.gather(relevance, 1, found)[:, dim:]
    assert bool((rest.diff(dim=1) <= 0).all())  # beyond the rank: by relevance


def test_without_diversity_the_list_is_unchanged_even_among_twins() -> None:
    vectors, relevance = torch.ones(1, 4, 1), torch.tensor([[1.0, 0.5, 0.5, 0.0]], dtype=torch.float64)
    assert dpp(relevance, vectors, torch.ones(1, 4, dtype=torch.bool), 3, 0.0).tolist() == [[0, 1, 2]]


def test_ties_are_broken_by_position_and_places_without_candidates_stay_empty() -> None:
    available = torch.tensor([[True, True, True, False]])
    found = dpp(torch.zeros(1, 4, dtype=torch.float64), torch.eye(4)[None], available, 6, 0.5)
    assert found.tolist() == [[0, 1, 2, -1, -1, -1]]
