"""mmrec.models.collaborative.bpr_mf: pairs are ordered, same seed same scores, cold items are last."""

import torch

from mmrec.models.collaborative.bpr_mf import BPRMF
from mmrec.types import DatasetSpec, Interactions

N_USERS, N_ITEMS = 25, 12
X = torch.rand(N_USERS, N_ITEMS, generator=torch.Generator().manual_seed(0)) < 0.4
X[:, 5] = False
SPEC = DatasetSpec(N_USERS, N_ITEMS, Interactions(*X.nonzero().unbind(1)))


def scores_of(n_epochs: int, seed: int = 0) -> torch.Tensor:
    baseline = BPRMF(embedding_dim=8, learning_rate=0.05, regularization=0.001, n_epochs=n_epochs, seed=seed)
    return baseline.fit(SPEC).score_users(torch.arange(N_USERS))


def area_under_curve(scores: torch.Tensor) -> float:
    """The share of a user's pairs that are in order."""
    above = scores[:, :, None] > scores[:, None, :]
    pairs = X[:, :, None] & ~X[:, None, :]
    return float(above[pairs].float().mean())


def test_the_pairs_of_training_come_in_order() -> None:
    assert area_under_curve(scores_of(200)) > 0.95 > 0.8 > area_under_curve(scores_of(0))


def test_a_user_who_has_every_item_teaches_nothing_and_is_scored() -> None:
    users, items = torch.tensor([0, 0, 0, 1]), torch.tensor([0, 1, 2, 2])
    baseline = BPRMF(embedding_dim=2, learning_rate=0.05, regularization=0.0, n_epochs=100, seed=0)
    scores = baseline.fit(DatasetSpec(2, 3, Interactions(users, items))).score_users(torch.arange(2))
    assert scores.isfinite().all() and scores[1].argmax() == 2


def test_the_bias_is_learned() -> None:
    """What most users have comes first for a user without any."""
    users, items = torch.tensor([0, 1, 2, 0, 1]), torch.tensor([2, 2, 2, 0, 1])
    baseline = BPRMF(embedding_dim=1, learning_rate=0.05, regularization=0.01, n_epochs=100, seed=0)
    baseline.fit(DatasetSpec(4, 3, Interactions(users, items)))
    assert baseline.score_users(torch.tensor([3])).argmax() == 2


def test_same_seed_same_scores_and_cold_items_last() -> None:
    scores = scores_of(20)
    assert torch.equal(scores_of(20), scores) and not torch.equal(scores_of(20, seed=1), scores)
    others = [i for i in range(N_ITEMS) if i != 5]
    assert (scores[:, 5] < scores[:, others].amin(dim=1)).all()
