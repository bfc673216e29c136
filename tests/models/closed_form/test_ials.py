"""mmrec.models.closed_form.ials: the item factors solve the dense normal equations of the last half-step; same seed, same scores."""

from typing import Any

import pytest
import torch

from mmrec.data.interactions.histories import Histories
from mmrec.models.closed_form.ials import IALS
from mmrec.types import DatasetSpec, Interactions

N_USERS, N_ITEMS = 25, 12
X = (torch.rand(N_USERS, N_ITEMS, generator=torch.Generator().manual_seed(0)) < 0.4).double()
X[:, 5] = 0
SPEC = DatasetSpec(N_USERS, N_ITEMS, Interactions(*X.nonzero().unbind(1)))
ALPHA, REGULARIZATION = 3.0, 2.0


def fitted(seed: int = 0) -> IALS:
    return IALS(embedding_dim=4, regularization=REGULARIZATION, alpha=ALPHA, n_iterations=3, seed=seed).fit(SPEC)


def test_items_solve_their_least_squares() -> None:
    """q_i = (Pᵀ C P + λI)⁻¹ Pᵀ C x_i (Hu et al. 2008, eq. 5), with the users of the last iteration."""
    model = fitted()
    users, items = model.users.double(), model.items
    for i in range(N_ITEMS):
        confidence = torch.where(X[:, i] > 0, ALPHA, 1.0).double()
        left = users.T @ (confidence[:, None] * users) + REGULARIZATION * torch.eye(4)
        torch.testing.assert_close(items[i].double(), torch.linalg.solve(left, users.T @ (confidence * X[:, i])), atol=1e-5, rtol=1e-4)


def test_same_seed_same_scores_and_cold_items_last() -> None:
    users = torch.arange(N_USERS)
    scores = fitted().score_users(users)
    assert torch.equal(fitted().score_users(users), scores) and not torch.equal(fitted(seed=1).score_users(users), scores)
    others = [i for i in range(N_ITEMS) if i != 5]
    assert (scores[:, 5] < scores[:, others].amin(dim=1)).all()


def test_a_history_is_solved_for_as_a_user_was() -> None:
    """p_u = (Qᵀ C Q + λI)⁻¹ Qᵀ C x_u (eq. 4), with the items as they are; nothing is known of one without items."""
    model, items = fitted(), fitted().items.double()
    owned = [[0, 3, 7], [], [1]]
    scores = model.score_histories(Histories.from_lists(owned))
    warm = [i for i in range(N_ITEMS) if i != 5]
    for user in (0, 2):
        row = torch.zeros(N_ITEMS, dtype=torch.float64).index_fill(0, torch.tensor(owned[user]), 1.0)
        confidence = torch.where(row > 0, ALPHA, 1.0)
        vector = torch.linalg.solve(items.T @ (confidence[:, None] * items) + REGULARIZATION * torch.eye(4), items.T @ (confidence * row))
        torch.testing.assert_close(scores[user, warm].double(), (items @ vector)[warm], atol=1e-5, rtol=1e-4)
    assert torch.equal(scores[1], X.sum(dim=0).float())


def test_the_regularization_follows_the_frequency() -> None:
    """q_i solves its equations with λ_i = λ w_i / mean(w), w_i the sum of the confidences of the item's column."""
    model = IALS(embedding_dim=4, regularization=REGULARIZATION, alpha=ALPHA, frequency_power=1.0, n_iterations=3).fit(SPEC)
    users, confidence = model.users.double(), torch.where(X > 0, ALPHA, 1.0)
    weight, known = confidence.sum(dim=0), X.any(dim=0)
    for i in known.nonzero().flatten():
        penalty = REGULARIZATION * weight[i] / weight[known].mean()
        left = users.T @ (confidence[:, i, None] * users) + penalty * torch.eye(4)
        expected = torch.linalg.solve(left, users.T @ (confidence[:, i] * X[:, i]))
        torch.testing.assert_close(model.items[i].double(), expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("wrong", [{"embedding_dim": 0}, {"regularization": 0.0}, {"alpha": 0.0}])
def test_what_is_out_of_bounds_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="embedding_dim, regularization, alpha: expected more than 0"):
        IALS(**wrong)
