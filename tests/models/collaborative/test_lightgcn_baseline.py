"""mmrec.models.collaborative.lightgcn_baseline: training lowers the rank of what is owned, same seed same scores, cold items are last."""

import torch

from mmrec.models.collaborative.lightgcn_baseline import LightGCNBaseline
from mmrec.types import DatasetSpec, Interactions

N_USERS, N_ITEMS = 25, 12
X = torch.rand(N_USERS, N_ITEMS, generator=torch.Generator().manual_seed(0)) < 0.4
X[:, 5] = False
SPEC = DatasetSpec(N_USERS, N_ITEMS, Interactions(*X.nonzero().unbind(1)))


def scores_of(n_epochs: int, seed: int = 0) -> torch.Tensor:
    baseline = LightGCNBaseline(embedding_dim=8, n_layers=2, learning_rate=0.05, temperature=0.2, n_epochs=n_epochs, seed=seed)
    return baseline.fit(SPEC).score_users(torch.arange(N_USERS))


def share_in_order(scores: torch.Tensor) -> float:
    """The share of a user's pairs of an owned and another item that are in order."""
    return float((scores[:, :, None] > scores[:, None, :])[X[:, :, None] & ~X[:, None, :]].float().mean())


def test_what_is_owned_comes_first_after_training() -> None:
    assert share_in_order(scores_of(60)) > 0.95 > share_in_order(scores_of(0))


def test_same_seed_same_scores_and_cold_items_last() -> None:
    state = torch.get_rng_state()
    scores = scores_of(3)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(scores_of(3), scores) and not torch.equal(scores_of(3, seed=1), scores)
    others = [i for i in range(N_ITEMS) if i != 5]
    assert (scores[:, 5] < scores[:, others].amin(dim=1)).all()
