"""mmrec.models.content.cease: CEASE is one ridge regression an item on interactions and content, add-EASE the sum of two."""

import numpy as np
import pytest
import torch

from mmrec.models.closed_form.ease import EASE
from mmrec.models.content.cease import CEASE, AddEASE
from mmrec.models.content.content_matrix import read_content
from mmrec.testing.checkerboard import N_USERS, all_warm_of_ones_colour, spec_of_colours

SPEC = spec_of_colours(all_warm_of_ones_colour())


def by_item(design: np.ndarray, regularization: float) -> np.ndarray:
    """argmin ‖d_j - D b‖² + λ‖b‖² with b_j = 0, for every column j."""
    n = design.shape[1]
    weights = np.zeros((n, n))
    for j in range(n):
        others = [i for i in range(n) if i != j]
        inside = design[:, others]
        weights[others, j] = np.linalg.solve(inside.T @ inside + regularization * np.eye(n - 1), inside.T @ design[:, j])
    return weights


def parts() -> tuple[np.ndarray, np.ndarray]:
    """X, users by items, and T, features by items."""
    interactions = np.zeros((N_USERS, SPEC.n_items))
    interactions[SPEC.train.user_idx, SPEC.train.item_idx] = 1
    return interactions, read_content(SPEC).dense().astype(np.float64).T


def test_cease_is_one_regression_on_both() -> None:
    interactions, content = parts()
    expected = interactions @ by_item(np.vstack([interactions, 7.0**0.5 * content]), 20.0)
    scores = CEASE(20.0, content_weight=7.0).fit(SPEC).score_users(torch.arange(N_USERS))
    np.testing.assert_allclose(scores.numpy(), expected, atol=1e-4)


def test_add_ease_is_the_sum_of_two() -> None:
    interactions, content = parts()
    expected = interactions @ (0.7 * by_item(interactions, 20.0) + 0.3 * by_item(content, 2.0))
    scores = AddEASE(20.0, 2.0, share=0.3).fit(SPEC).score_users(torch.arange(N_USERS))
    np.testing.assert_allclose(scores.numpy(), expected, atol=1e-4)


def test_without_content_it_is_ease() -> None:
    warm = SPEC.train.item_idx.unique()
    expected = EASE(20.0).fit(SPEC).score_users(torch.arange(N_USERS))[:, warm]
    torch.testing.assert_close(
        CEASE(20.0, content_weight=0.0).fit(SPEC).score_users(torch.arange(N_USERS))[:, warm], expected, atol=1e-4, rtol=1e-4
    )


def test_a_share_is_from_0_to_1() -> None:
    with pytest.raises(ValueError, match=r"share: expected a number from 0 to 1, found 1.5"):
        AddEASE(share=1.5)
