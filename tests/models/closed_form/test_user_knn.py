"""mmrec.models.closed_form.user_knn: equal to loops over sets of items."""

import math

import pytest
import torch

from mmrec.data.interactions.histories import Histories
from mmrec.models.closed_form.user_knn import UserKNN
from mmrec.types import DatasetSpec, Interactions

N_USERS, N_ITEMS = 9, 30
X = torch.rand(N_USERS, N_ITEMS, generator=torch.Generator().manual_seed(8)) < 0.4
X[3], X[:, 6] = False, False  # a user and an item without interactions
SPEC = DatasetSpec(N_USERS, N_ITEMS, Interactions(*X.nonzero().unbind(1)))


def by_loops(user: int, n_neighbors: int, shrinkage: float) -> list[float]:
    items = [set(row.nonzero().flatten().tolist()) for row in X]

    def similarity(other: int) -> float:
        norm = math.sqrt(len(items[user]) * len(items[other])) + shrinkage
        return len(items[user] & items[other]) / norm if other != user and norm else 0.0

    near = sorted(((similarity(v), v) for v in range(N_USERS)), reverse=True)
    kept, rest = near[:n_neighbors], near[n_neighbors:]
    assert not rest or kept[-1][0] > rest[0][0] or kept[-1][0] == 0, "a tie at the edge: choose another seed"
    return [sum(s for s, v in kept if i in items[v]) for i in range(N_ITEMS)]


@pytest.mark.parametrize("shrinkage", [0.0, 10.0])
@pytest.mark.parametrize("n_neighbors", [2, 100])
def test_equal_to_loops(n_neighbors: int, shrinkage: float) -> None:
    scores = UserKNN(n_neighbors, shrinkage).fit(SPEC).score_users(torch.arange(N_USERS))
    expected, known = torch.tensor([by_loops(user, n_neighbors, shrinkage) for user in range(N_USERS)]), X.any(dim=1)
    torch.testing.assert_close(scores[known], expected[known])


def test_whatever_the_batch() -> None:
    baseline = UserKNN(3, 1.0).fit(SPEC)
    users = torch.tensor([8, 0, 8])
    torch.testing.assert_close(baseline.score_users(users), baseline.score_users(torch.arange(N_USERS))[users])


def test_a_history_that_a_user_has_is_not_its_own_neighbour() -> None:
    """Nor is it where two users have it: one of them is left out."""
    rows = torch.cat([X, X[:1]])
    model = UserKNN(5, 0.0).fit(DatasetSpec(N_USERS + 1, N_ITEMS, Interactions(*rows.nonzero().unbind(1))))
    scores = model.score_histories(Histories.from_lists([row.nonzero().flatten().tolist() for row in rows]))
    torch.testing.assert_close(scores, model.score_users(torch.arange(N_USERS + 1)))
    assert not torch.allclose(scores[0], UserKNN(5, 0.0).fit(SPEC).score_users(torch.tensor([0]))[0])
