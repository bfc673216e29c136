"""mmrec.models.closed_form.slim: scikit-learn's elastic nets, one an item, all other items as columns."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import ElasticNet

from mmrec.models.closed_form.slim import SLIM
from mmrec.models.recommender import LackingData
from mmrec.types import DatasetSpec, Interactions

N_USERS, N_ITEMS = 60, 9
X = (torch.rand(N_USERS, N_ITEMS, generator=torch.Generator().manual_seed(0)) < 0.4).double()
X[:30, 1] = X[:30, 0]  # two items that are nearly one
X[:, 5] = 0
SPEC = DatasetSpec(N_USERS, N_ITEMS, Interactions(*X.nonzero().unbind(1)))


def by_sklearn(l1: float, l2: float) -> np.ndarray:
    x, weights = X.numpy(), np.zeros((N_ITEMS, N_ITEMS))
    net = ElasticNet((l1 + l2) / N_USERS, l1_ratio=l1 / (l1 + l2), fit_intercept=False, positive=True, tol=1e-10, max_iter=10_000)
    for j in range(N_ITEMS):
        others = [i for i in range(N_ITEMS) if i != j]
        weights[others, j] = net.fit(x[:, others], x[:, j]).coef_
    return x @ weights


@pytest.mark.parametrize(("l1", "l2"), [(0.5, 1.0), (4.0, 2.0), (0.1, 30.0)])
def test_equal_to_sklearn(l1: float, l2: float) -> None:
    scores = SLIM(l1, l2, tolerance=1e-7).fit(SPEC).score_users(torch.arange(N_USERS))
    known = X.any(dim=1)
    torch.testing.assert_close(scores.double()[known], torch.from_numpy(by_sklearn(l1, l2))[known], atol=2e-5, rtol=1e-4)


def test_by_hand() -> None:
    """Two items that always come together, two users, l1 = 0.5, l2 = 1: w = (2 - 0.5) / (2 + 1)."""
    spec = DatasetSpec(3, 3, Interactions(torch.tensor([0, 0, 1, 1]), torch.tensor([0, 1, 0, 1])))
    scores = SLIM(0.5, 1.0).fit(spec).score_users(torch.tensor([0, 2]))
    torch.testing.assert_close(scores, torch.tensor([[0.5, 0.5, 0.0], [2.0, 2.0, 0.0]]))  # user 2 is new: popularity


def test_a_penalty_below_zero_is_refused() -> None:
    with pytest.raises(ValueError, match=r"l1 and l2: expected at least 0, found -1\.0"):
        SLIM(-1.0, 1.0)


def test_more_items_than_memory_holds_are_refused() -> None:
    with pytest.raises(LackingData, match=r"9 items squared take .* GiB and hours, more than max_gib=1e-09"):
        SLIM(max_gib=1e-9).fit(SPEC)
