"""mmrec.models.closed_form.rp3beta: equal to dense matrices, and to a walk by hand."""

import pytest
import torch
from torch import Tensor

from mmrec.models.closed_form.rp3beta import RP3Beta
from mmrec.types import DatasetSpec, Interactions

N_USERS, N_ITEMS = 30, 11
X = (torch.rand(N_USERS, N_ITEMS, generator=torch.Generator().manual_seed(1)) < 0.35).double()
X[:, 5], X[4] = 0, 0
SPEC = DatasetSpec(N_USERS, N_ITEMS, Interactions(*X.nonzero().unbind(1)))


def by_matrices(alpha: float, beta: float) -> Tensor:
    p_ui = (X / X.sum(dim=1, keepdim=True).clamp(min=1)) ** alpha * X
    p_iu = ((X / X.sum(dim=0).clamp(min=1)) ** alpha * X).T
    weights = (p_iu @ p_ui / X.sum(dim=0).clamp(min=1) ** beta).fill_diagonal_(0)
    return (X @ weights).float()


@pytest.mark.parametrize("block", [3, 2**23])
@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 0.0), (0.6, 0.4), (1.3, 1.0)])
def test_equal_to_dense_matrices(alpha: float, beta: float, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmrec.models.closed_form.neighbors._BLOCK_TERMS", block)
    scores = RP3Beta(alpha, beta, n_neighbors=100).fit(SPEC).score_users(torch.arange(N_USERS))
    known = X.any(dim=1)
    torch.testing.assert_close(scores[known], by_matrices(alpha, beta)[known])


def test_by_hand() -> None:
    """From item 0 (users 0, 1) the walk is with 1/2 · 1/2 at item 1 and with 1/2 · 1/3 at items 1 and 2; one neighbour keeps item 1."""
    users, items = torch.tensor([0, 0, 1, 1, 1, 2]), torch.tensor([0, 1, 0, 1, 2, 0])
    spec = DatasetSpec(3, 3, Interactions(users[:5], items[:5]))
    for n_neighbors, last in ((2, 1 / 6), (1, 0.0)):
        scores = RP3Beta(1.0, 0.0, n_neighbors).fit(DatasetSpec(4, 3, spec.train)).score_users(torch.tensor([0, 3]))
        weight_01 = 1 / 2 * 1 / 2 + 1 / 2 * 1 / 3
        assert scores[0].tolist() == pytest.approx([weight_01, weight_01, 2 * last])
        assert scores[1].tolist() == [2, 2, 1]  # a new user: popularity
