"""mmrec.models.closed_form.item_knn: equal to loops over sets of users."""

import math
from typing import Any

import pytest
import torch

from mmrec.models.closed_form.item_knn import ItemKNN
from mmrec.types import DatasetSpec, Interactions

N_USERS, N_ITEMS = 25, 8


def draw_train(seed: int) -> tuple[DatasetSpec, list[set[int]]]:
    """A training matrix whose item 7 has no users, and the users of every item."""
    x = torch.rand(N_USERS, N_ITEMS, generator=torch.Generator().manual_seed(seed)) < 0.35
    x[:, 7] = False
    return DatasetSpec(N_USERS, N_ITEMS, Interactions(*x.nonzero().unbind(1))), [set(column.nonzero().flatten().tolist()) for column in x.T]


def similarity(users: list[set[int]], i: int, j: int, shrinkage: float) -> float:
    norm = math.sqrt(len(users[i]) * len(users[j])) + shrinkage
    return len(users[i] & users[j]) / norm if i != j and norm else 0.0


def by_loops(users: list[set[int]], user: int, n_neighbors: int, shrinkage: float) -> list[float]:
    """Equally similar items at the edge of a neighbourhood may be kept or not, so a draw where that happens is of no use here."""
    scores = []
    for i in range(N_ITEMS):
        near = sorted(((similarity(users, i, j, shrinkage), j) for j in range(N_ITEMS)), reverse=True)
        kept, rest = near[:n_neighbors], near[n_neighbors:]
        assert not rest or kept[-1][0] > rest[0][0] or kept[-1][0] == 0, "a tie at the edge: choose another seed"
        scores.append(sum(s for s, j in kept if user in users[j]))
    return scores


@pytest.mark.parametrize("shrinkage", [0.0, 10.0])
@pytest.mark.parametrize("n_neighbors", [2, 100])
def test_equal_to_loops(n_neighbors: int, shrinkage: float) -> None:
    train, users = draw_train(seed=0)
    scores = ItemKNN(n_neighbors, shrinkage).fit(train).score_users(torch.arange(N_USERS))
    expected = torch.tensor([by_loops(users, user, n_neighbors, shrinkage) for user in range(N_USERS)])
    known = [user for user in range(N_USERS) if any(user in of_item for of_item in users)]
    assert len(known) > 20
    torch.testing.assert_close(scores[known], expected[known])


def test_by_hand() -> None:
    """Items 0 and 1 share one of two and one of one users: 1 / (√2 + 1). Item 2 shares nobody's."""
    train = DatasetSpec(3, 3, Interactions(torch.tensor([0, 0, 1, 2]), torch.tensor([0, 1, 0, 2])))
    scores = ItemKNN(n_neighbors=5, shrinkage=1.0).fit(train).score_users(torch.tensor([1, 2]))
    torch.testing.assert_close(scores, torch.tensor([[0.0, 1 / (math.sqrt(2) + 1), 0.0], [0.0, 0.0, 0.0]]))


def test_an_item_is_no_neighbour_of_itself() -> None:
    train, _ = draw_train(seed=0)
    only_one = DatasetSpec(1, N_ITEMS, Interactions(torch.tensor([0]), torch.tensor([3])))
    assert not ItemKNN(3, 0.0).fit(only_one).score_users(torch.tensor([0])).any()
    assert ItemKNN(3, 0.0).fit(train).score_users(torch.arange(N_USERS)).isfinite().all()


@pytest.mark.parametrize("weighting", ["tfidf", "bm25"])
def test_weighted_cosines_equal_to_dense_matrices(weighting: str) -> None:
    train, users = draw_train(seed=0)
    x = torch.tensor([[float(user in of_item) for user in range(N_USERS)] for of_item in users])
    weights = x * (N_ITEMS / x.sum(dim=0).clamp(min=1)).log()
    if weighting == "bm25":
        length = x.sum(dim=1, keepdim=True)
        weights *= 2.2 / (1.2 * (0.25 + 0.75 * length / length.mean()) + 1)
    norm = weights.norm(dim=1)
    expected = x.T @ (weights @ weights.T / (torch.outer(norm, norm) + 3)).fill_diagonal_(0)
    scores, known = ItemKNN(100, 3.0, weighting).fit(train).score_users(torch.arange(N_USERS)), x.any(dim=0)
    torch.testing.assert_close(scores[known], expected[known])


@pytest.mark.parametrize("wrong", [{"n_neighbors": 0}, {"shrinkage": -1.0}, {"weighting": "idf"}])
def test_what_is_out_of_bounds_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(wrong))}.*: expected .* found"):
        ItemKNN(**wrong)
