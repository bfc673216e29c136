"""mmrec.models.closed_form.ease: equal to one ridge regression an item on all other items, which is what its zero diagonal means."""

import pytest
import torch
from torch import Tensor

from mmrec.models.closed_form.ease import EASE
from mmrec.models.recommender import LackingData
from mmrec.types import DatasetSpec, Interactions

N_USERS, N_ITEMS = 30, 7
X = (torch.rand(N_USERS, N_ITEMS, generator=torch.Generator().manual_seed(0)) < 0.4).double()
X[:, 5] = 0  # an item without interactions
TRAIN = DatasetSpec(N_USERS, N_ITEMS, Interactions(*X.nonzero().unbind(1)))


def ridge_by_item(regularization: float) -> Tensor:
    """argmin ‖x_j - X b‖² + λ‖b‖² with b_j = 0, for every j: least squares on X below √λ I, column j left out."""
    weights = torch.zeros(N_ITEMS, N_ITEMS, dtype=torch.float64)
    design = torch.cat([X, regularization**0.5 * torch.eye(N_ITEMS, dtype=torch.float64)])
    for j in range(N_ITEMS):
        others = [i for i in range(N_ITEMS) if i != j]
        target = torch.cat([X[:, j], torch.zeros(N_ITEMS, dtype=torch.float64)])
        weights[others, j] = torch.linalg.lstsq(design[:, others], target[:, None]).solution[:, 0]
    return weights


@pytest.mark.parametrize("regularization", [0.5, 10.0, 500.0])
def test_equal_to_ridge_regressions(regularization: float) -> None:
    scores = EASE(regularization).fit(TRAIN).score_users(torch.arange(N_USERS))
    expected = (X @ ridge_by_item(regularization)).float()
    known, warm = X.any(dim=1), [i for i in range(N_ITEMS) if i != 5]
    scores, expected = scores[known], expected[known]
    torch.testing.assert_close(scores[:, warm], expected[:, warm], atol=1e-5, rtol=1e-4)
    assert (scores[:, 5] < scores[:, warm].amin(dim=1)).all()


def test_by_hand() -> None:
    """Two items that always come together, two users, λ = 1: b = 2 / (2 + 1)."""
    train = DatasetSpec(3, 2, Interactions(torch.tensor([0, 0, 1, 1]), torch.tensor([0, 1, 0, 1])))
    scores = EASE(1.0).fit(train).score_users(torch.tensor([0, 2]))
    torch.testing.assert_close(scores, torch.tensor([[2 / 3, 2 / 3], [2.0, 2.0]]))  # user 2 is new: popularity


def test_one_decomposition_serves_every_regularization() -> None:
    users, prepared = torch.arange(N_USERS), EASE().prepare(TRAIN)
    for regularization in (0.5, 500.0):
        found = EASE(regularization).fit_prepared(TRAIN, prepared).score_users(users)
        assert torch.equal(found, EASE(regularization).fit(TRAIN).score_users(users))


def test_the_most_frequent_items_take_part_as_far_as_memory_allows(caplog: pytest.LogCaptureFixture) -> None:
    """12 · 4² bytes hold four items: the scores of those are the scores of data that have no other, the others are last."""
    caplog.set_level("INFO")
    kept = X.sum(dim=0).argsort(descending=True, stable=True)[:4].sort().values
    scores = EASE(10.0, max_gib=12 * 16 / 2**30).fit(TRAIN).score_users(torch.arange(N_USERS))
    users, items = X[:, kept].nonzero().unbind(1)
    alone = EASE(10.0).fit(DatasetSpec(N_USERS, 4, Interactions(users, items))).score_users(torch.arange(N_USERS))
    known = X[:, kept].any(dim=1)
    torch.testing.assert_close(scores[known][:, kept], alone[known])
    others = [i for i in range(N_ITEMS) if i not in kept.tolist()]
    assert (scores[known][:, others] < scores[known][:, kept].amin(dim=1, keepdim=True)).all()
    assert "of 6 items the 4 with most interactions take part" in caplog.text


def test_no_room_at_all_is_said() -> None:
    with pytest.raises(LackingData, match="is too small for a matrix of two items"):
        EASE(10.0, max_gib=1e-9).fit(TRAIN)


def test_of_many_items_a_search_takes_those_with_most_interactions(monkeypatch: pytest.MonkeyPatch) -> None:
    """And a fit all, by an inverse and not by a decomposition: the same weights."""
    users, whole = torch.arange(N_USERS), EASE(10.0).fit(TRAIN)
    monkeypatch.setattr("mmrec.models.closed_form.ease._SEARCHED", 4)
    prepared = EASE().prepare(TRAIN)
    kept = X.sum(dim=0).argsort(descending=True, stable=True)[:4].sort().values
    assert torch.equal(prepared.kept, kept) and not EASE().is_whole(prepared)
    assert torch.equal(EASE(10.0).fit_prepared(TRAIN, prepared).kept, kept)
    torch.testing.assert_close(EASE(10.0).fit(TRAIN).score_users(users), whole.score_users(users), atol=1e-5, rtol=1e-4)
