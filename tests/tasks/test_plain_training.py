"""Training by the plain loop: matrix factorisation and LightGCN learn by it, the same seed gives the same, new items are last."""

from functools import partial

import pytest
import torch

from mmrec.data.interactions.histories import Histories
from mmrec.losses import bpr, sampled_softmax
from mmrec.models.collaborative.lightgcn import LightGCNRecommender
from mmrec.models.collaborative.matrix_factorization import MatrixFactorizationRecommender
from mmrec.tasks.plain_training import PlainTraining
from mmrec.types import DatasetSpec, Interactions

N_USERS, N_ITEMS = 25, 12
X = torch.rand(N_USERS, N_ITEMS, generator=torch.Generator().manual_seed(0)) < 0.4
X[:, 5] = False
SPEC = DatasetSpec(N_USERS, N_ITEMS, Interactions(*X.nonzero().unbind(1)))


def bpr_mf(n_epochs: int, seed: int = 0, embedding_dim: int = 8, regularization: float = 0.002) -> PlainTraining:
    sizes = {"embedding_dim": embedding_dim, "regularization": regularization, "sparse_gradients": False, "item_bias": True}
    model = partial(MatrixFactorizationRecommender, **sizes)
    return PlainTraining(model, partial(bpr, temperature=1.0), learning_rate=0.05, n_epochs=n_epochs, seed=seed)


def lightgcn(n_epochs: int, seed: int = 0) -> PlainTraining:
    model = partial(LightGCNRecommender, embedding_dim=8, n_layers=2, regularization=0.0, cosine=True)
    loss = partial(sampled_softmax, temperature=0.2)
    return PlainTraining(model, loss, "users", 128, n_negatives=4096, learning_rate=0.05, n_epochs=n_epochs, seed=seed)


def share_in_order(scores: torch.Tensor) -> float:
    """The share of a user's pairs of an owned and another item that are in order."""
    return float((scores[:, :, None] > scores[:, None, :])[X[:, :, None] & ~X[:, None, :]].float().mean())


@pytest.mark.parametrize(("training", "n_epochs"), [(bpr_mf, 200), (lightgcn, 60)])
def test_what_is_owned_comes_first_after_training(training: partial, n_epochs: int) -> None:
    after, before = (training(n).fit(SPEC).score_users(torch.arange(N_USERS)) for n in (n_epochs, 0))
    assert share_in_order(after) > 0.95 > 0.85 > share_in_order(before)


@pytest.mark.parametrize("training", [bpr_mf, lightgcn])
def test_same_seed_same_scores_and_new_items_last(training: partial) -> None:
    state = torch.get_rng_state()
    scores, again, other = (training(3, seed).fit(SPEC).score_users(torch.arange(N_USERS)) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(again, scores) and not torch.equal(other, scores)
    others = [i for i in range(N_ITEMS) if i != 5]
    assert (scores[:, 5] < scores[:, others].amin(dim=1)).all()


def test_a_user_who_has_every_item_teaches_nothing_and_is_scored() -> None:
    users, items = torch.tensor([0, 0, 0, 1]), torch.tensor([0, 1, 2, 2])
    spec = DatasetSpec(2, 3, Interactions(users, items))
    scores = bpr_mf(100, embedding_dim=2, regularization=0.0).fit(spec).score_users(torch.arange(2))
    assert scores.isfinite().all() and scores[1].argmax() == 2
    nobody_learns = DatasetSpec(1, 3, Interactions(users[:3], items[:3]))
    assert bpr_mf(2).fit(nobody_learns).score_users(torch.tensor([0])).isfinite().all()


def test_what_is_popular_comes_first_for_whoever_is_new() -> None:
    users, items = torch.tensor([0, 1, 2, 0, 1]), torch.tensor([2, 2, 2, 0, 1])
    scorer = bpr_mf(100, embedding_dim=1, regularization=0.02).fit(DatasetSpec(4, 3, Interactions(users, items)))
    assert scorer.score_users(torch.tensor([3])).tolist() == [[1, 1, 3]]
    assert scorer.score_histories(Histories.from_lists([[]])).tolist() == [[1, 1, 3]]


def test_what_a_batch_is_of_is_checked() -> None:
    with pytest.raises(ValueError, match="batch_of: expected users or interactions, found items"):
        PlainTraining(LightGCNRecommender, bpr, "items")
