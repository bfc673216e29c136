"""LightGCN: the published loss and its gradient in dense algebra, the penalty by hand, users without interactions."""

import pytest
import torch
from torch import Tensor

from mmrec.data.batches.train_batches import PairBatches, TrainBatch, TrainBatches
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.losses import bpr
from mmrec.models.collaborative.lightgcn import LightGCNRecommender
from mmrec.types import DatasetSpec, Interactions

# Five users, the last without interactions; five items, the last without. The pair (0, 0) stands there twice.
USERS, ITEMS = torch.tensor([0, 0, 1, 1, 2, 3, 3, 0]), torch.tensor([0, 1, 1, 2, 2, 2, 3, 0])
N_USERS, N_ITEMS, DIM = 5, 5, 4
SPEC = DatasetSpec(N_USERS, N_ITEMS, Interactions(USERS, ITEMS))
TRAIN = InteractionMatrix.from_pairs(USERS, ITEMS, N_USERS, N_ITEMS)
GENERATOR = torch.Generator()


def make_model(n_layers: int = 3, regularization: float = 0.1) -> LightGCNRecommender:
    torch.manual_seed(0)
    return LightGCNRecommender(SPEC, DIM, n_layers, init_scale=1.0, regularization=regularization)


def smoothed(embedding: Tensor, n_layers: int) -> Tensor:
    """Equations 7 and 8: the mean of the powers of D^-1/2 A D^-1/2, with A dense."""
    n = N_USERS + N_ITEMS
    a = torch.zeros(n, n)
    a[USERS, N_USERS + ITEMS] = 1
    a = a + a.T
    root = a.sum(dim=1).clamp(min=1).rsqrt()
    step = root[:, None] * a * root
    return sum(torch.linalg.matrix_power(step, power) @ embedding for power in range(n_layers + 1)) / (n_layers + 1)


def published_loss(embedding: Tensor, batch: TrainBatch, n_layers: int, regularization: float) -> Tensor:
    """Equation 15 over triples (u, i, j), divided by their number, the penalty halved."""
    vectors = smoothed(embedding, n_layers)
    total = torch.zeros(())
    for user, item, other in zip(batch.user_idx.tolist(), batch.item_idx.tolist(), batch.negatives[:, 0].tolist(), strict=True):
        u, i, j = user, N_USERS + item, N_USERS + other
        total = total - torch.sigmoid(vectors[u] @ vectors[i] - vectors[u] @ vectors[j]).log()
        total = total + regularization * sum(embedding[node].square().sum() for node in (u, i, j)) / 2
    return total / len(batch.user_idx)


@pytest.mark.parametrize("n_layers", [0, 1, 3])
def test_loss_and_gradient_are_the_papers(n_layers: int) -> None:
    """With no layers it is BPR matrix factorisation."""
    model = make_model(n_layers)
    for batch in PairBatches(TRAIN, 4, n_negatives=1, seed=0):
        scores = model.score_batch(batch, GENERATOR)
        loss = bpr(scores.positive, batch.row, scores.negative, batch.valid, temperature=1.0) + scores.extra
        embedding = model.backbone.embedding.weight.detach().clone().requires_grad_()
        expected = published_loss(embedding, batch, n_layers, regularization=0.1)
        torch.testing.assert_close(loss, expected)
        model.zero_grad()
        loss.backward()
        expected.backward()
        torch.testing.assert_close(model.backbone.embedding.weight.grad, embedding.grad)


def test_the_penalty_by_hand() -> None:
    """Two pairs of user 0, whose vector counts twice; the smoothed vectors have no part in it."""
    model = make_model(regularization=0.5)
    torch.nn.init.zeros_(model.backbone.embedding.weight)
    with torch.no_grad():
        model.backbone.embedding.weight[[0, N_USERS + 1, N_USERS + 3], 0] = torch.tensor([1.0, 2.0, 3.0])
    batch = TrainBatch(
        user_idx=torch.tensor([0, 0]),
        row=torch.arange(2),
        item_idx=torch.tensor([0, 1]),
        negatives=torch.tensor([[3], [2]]),
        valid=torch.ones(2, 1, dtype=torch.bool),
        noise=torch.zeros(2),
        weight=torch.tensor(1.0),
    )
    assert model.score_batch(batch, GENERATOR).extra.item() == pytest.approx(0.5 * 0.5 * (1 + 1 + 4 + 9) / 2)


def test_scores_are_products_whatever_a_batch_is_of() -> None:
    """A batch of users with a shared pool, and one of pairs: the same scores as ranking gives."""
    model = make_model()
    (of_users,), (of_pairs,) = TrainBatches(TRAIN, 9, 9, shared=True, seed=0), PairBatches(TRAIN, 9, n_negatives=2, seed=0)
    everything = model.freeze().score_users(torch.arange(N_USERS))
    for batch in (of_users, of_pairs):
        scores = model.score_batch(batch, GENERATOR)
        torch.testing.assert_close(scores.positive, everything[batch.user_idx[batch.row], batch.item_idx])
        negatives = batch.negatives.expand(len(batch.user_idx), -1)
        torch.testing.assert_close(scores.negative, everything[batch.user_idx[:, None], negatives])


def test_a_user_without_interactions_is_the_average_one() -> None:
    frozen = make_model().freeze()
    torch.testing.assert_close(frozen.users[4], frozen.users[:4].mean(dim=0))
    assert frozen.attention.shape == (N_ITEMS, 0)


def test_a_checkpoint_holds_the_free_vectors_alone() -> None:
    assert set(make_model().state_dict()) == {"backbone.embedding.weight"}


@pytest.mark.parametrize("arguments", [(0, 3, 0.1, 0.1), (4, -1, 0.1, 0.1), (4, 3, 0.1, -0.1)])
def test_arguments_that_cannot_be_meant_are_refused(arguments: tuple[int, int, float, float]) -> None:
    with pytest.raises(ValueError, match="expected at least"):
        LightGCNRecommender(SPEC, *arguments)
