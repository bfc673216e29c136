"""mmrec.metrics.beyond_accuracy: hand-worked values, plain Python on random lists, and the ends of each scale."""

import math
from itertools import combinations

import pytest
import torch
from torch import Tensor

from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.metrics import beyond_accuracy
from mmrec.metrics.beyond_accuracy import (
    average_popularity,
    calibration,
    catalogue_coverage,
    count_exposure,
    gini,
    intra_list_distance,
    long_tail,
    novelty,
    serendipity,
    tail_share,
)

LISTS = torch.tensor([[0, 1, 3], [1, 3, -1], [-1, -1, -1]])
DEGREE = torch.tensor([8, 4, 1, 0])
N_USERS = 16


def same(ours: Tensor, expected: list[float]) -> bool:
    return ours.tolist() == pytest.approx(expected, abs=1e-9, nan_ok=True)


def draw_lists(seed: int, n_users: int = 60, n_items: int = 12, k: int = 5) -> Tensor:
    """Distinct items a user, the last places of some empty."""
    generator = torch.Generator().manual_seed(seed)
    lists = torch.rand(n_users, n_items, generator=generator).argsort(dim=1)[:, :k]
    return lists.masked_fill(torch.arange(k) >= torch.randint(k + 1, (n_users, 1), generator=generator), -1)


def test_by_hand() -> None:
    exposure = count_exposure(LISTS, n_items=4)
    assert exposure.tolist() == [1, 2, 0, 2]
    assert catalogue_coverage(exposure) == 3 / 4
    assert gini(exposure) == pytest.approx((-1 * 1 + 1 * 2 + 3 * 2) / 5 / 3)
    assert same(novelty(LISTS, DEGREE, N_USERS), [(1 + 2 + 4) / 3, (2 + 4) / 2, math.nan])
    assert same(average_popularity(LISTS, DEGREE), [12 / 3, 4 / 2, math.nan])
    assert long_tail(DEGREE, head_share=0.5).tolist() == [False, True, True, True]
    assert long_tail(DEGREE, head_share=0.9).tolist() == [False, False, True, True]
    assert same(tail_share(LISTS, long_tail(DEGREE, head_share=0.9)), [1 / 3, 1 / 2, math.nan])
    relevance = torch.tensor([[True, True, False], [False, True, True], [True, True, True]])
    assert same(serendipity(LISTS, relevance, torch.tensor([[0, 2]] * 3)), [1 / 3, 1 / 2, math.nan])


def test_gini_from_equal_to_one_for_all() -> None:
    assert gini(torch.full((7,), 3)) == pytest.approx(0)
    assert gini(torch.tensor([0, 0, 9, 0])) == pytest.approx(1)
    assert math.isnan(gini(torch.zeros(3, dtype=torch.int64))) and math.isnan(gini(torch.tensor([4])))


@pytest.mark.parametrize("seed", range(8))
def test_gini_is_the_mean_absolute_difference(seed: int) -> None:
    """Half of the mean |x − y| over the pairs of two different items, over the mean x."""
    exposure = torch.randint(20, (9,), generator=torch.Generator().manual_seed(seed))
    differences = [abs(a - b) for a, b in combinations(exposure.tolist(), 2)]
    assert gini(exposure) == pytest.approx(sum(differences) / len(differences) / 2 / (sum(exposure.tolist()) / 9))


@pytest.mark.parametrize("seed", range(8))
def test_intra_list_distance_is_the_mean_over_pairs(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    lists, vectors = draw_lists(seed), torch.randn(12, 3, generator=generator)
    present = torch.rand(12, generator=generator) < 0.7
    vectors[0], vectors[~present] = 0.0, math.nan  # what stands in an absent row never matters
    for items, ours in zip(lists.tolist(), intra_list_distance(lists, vectors, present).tolist(), strict=True):
        there = [vectors[item].double() for item in items if item >= 0 and present[item]]
        distances = [1 - (a @ b / (a.norm() * b.norm()).clamp(min=1e-12)).item() for a, b in combinations(there, 2)]
        assert ours == pytest.approx(sum(distances) / len(distances) if distances else math.nan, abs=1e-9, nan_ok=True)


def test_distances_in_chunks_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    lists, vectors, present = draw_lists(0), torch.randn(12, 3, generator=torch.Generator().manual_seed(0)), torch.arange(12) % 4 > 0
    whole = intra_list_distance(lists, vectors, present)
    monkeypatch.setattr(beyond_accuracy, "_CHUNK_BYTES", 1)
    torch.testing.assert_close(intra_list_distance(lists, vectors, present), whole, equal_nan=True)
    assert intra_list_distance(lists[:0], vectors, present).shape == (0,)


@pytest.mark.parametrize("seed", range(8))
def test_serendipity_counts_what_popularity_would_not_have_found(seed: int) -> None:
    lists, expected = draw_lists(seed), draw_lists(seed + 100, k=3)
    relevance = torch.rand(lists.shape, generator=torch.Generator().manual_seed(seed)) < 0.5
    ours = serendipity(lists, relevance, expected)
    for user, items in enumerate(lists.tolist()):
        found = [i >= 0 and bool(relevance[user, rank]) and i not in expected[user].tolist() for rank, i in enumerate(items)]
        n = sum(item >= 0 for item in items)
        assert ours[user].item() == pytest.approx(sum(found) / n if n else math.nan, nan_ok=True)


def test_calibration_by_hand() -> None:
    """User 0 saw items 0 and 1; item 2 has two categories, and of item 3 nothing is known."""
    history = InteractionMatrix.from_pairs(torch.tensor([0, 0, 1, 0]), torch.tensor([0, 1, 3, 3]), n_users=2, n_items=4)
    categories = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5], [0.0, 0.0]])
    lists = torch.tensor([[2, 3], [0, -1], [3, -1], [2, 0]])
    worst_of_one = 0.5 * math.log(0.5 / (0.9 + 0.05)) + 0.5 * math.log(0.5 / 0.05)
    values = calibration(lists, torch.tensor([0, 0, 0, 1]), history, categories, alpha=0.1)
    assert same(values, [0, worst_of_one, math.nan, math.nan])


def test_calibration_is_worst_where_nothing_is_shared() -> None:
    history = InteractionMatrix.from_pairs(torch.tensor([0]), torch.tensor([0]), n_users=1, n_items=2)
    assert calibration(torch.tensor([[1]]), torch.tensor([0]), history, torch.eye(2)).item() == pytest.approx(-math.log(0.01))


def test_permuting_items_changes_nothing() -> None:
    generator = torch.Generator().manual_seed(3)
    lists, degree, vectors = draw_lists(3), torch.randint(1, 40, (12,), generator=generator), torch.randn(12, 4, generator=generator)
    place = torch.randperm(12, generator=generator)
    moved = torch.where(lists >= 0, place[lists], -1)
    there, back = torch.ones(12, dtype=torch.bool), place.argsort()
    assert gini(count_exposure(moved, 12)) == pytest.approx(gini(count_exposure(lists, 12)))
    for before, after in (
        (novelty(lists, degree, 50), novelty(moved, degree[back], 50)),
        (average_popularity(lists, degree), average_popularity(moved, degree[back])),
        (tail_share(lists, degree < 9), tail_share(moved, (degree < 9)[back])),
        (intra_list_distance(lists, vectors, there), intra_list_distance(moved, vectors[back], there)),
    ):
        torch.testing.assert_close(before, after, equal_nan=True)
