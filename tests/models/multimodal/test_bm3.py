"""BM3 against its equations written out: no negatives, where gradients stop, which items a modality speaks of, what is ranked by."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from mmrec.data.batches.train_batches import PairBatches, TrainBatch
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.losses import bpr, sampled_softmax
from mmrec.models.multimodal.bm3 import BM3
from mmrec.types import DatasetSpec, Features, Interactions
from tests.parts import drawn

N_USERS, N_ITEMS, DIM = 5, 6, 4
TRAIN = Interactions(torch.tensor([0, 0, 1, 2, 3, 3]), torch.tensor([0, 1, 1, 2, 3, 0]))  # user 4, items 4 and 5 are new
MATRIX = InteractionMatrix.from_pairs(TRAIN.user_idx, TRAIN.item_idx, N_USERS, N_ITEMS)
PRESENT = {"text": torch.arange(N_ITEMS) != 1, "image": torch.arange(N_ITEMS) % 2 == 0}


VALUES = {"text": drawn(N_ITEMS, 5, seed=1), "image": drawn(N_ITEMS, 7, seed=2)}


def make_model(dropout: float = 0.0, content_weight: float = 2.0, regularization: float = 0.1, values: dict[str, Tensor] = VALUES) -> BM3:
    torch.manual_seed(0)
    spec = DatasetSpec(N_USERS, N_ITEMS, TRAIN, {name: Features(values[name], PRESENT[name]) for name in values})
    return BM3(spec, DIM, 1, 0.5, dropout, content_weight, regularization)


def batch_of_all(seed: int = 0) -> TrainBatch:
    (batch,) = PairBatches(MATRIX, batch_size=99, n_negatives=1, seed=seed)
    return batch


def extra_of(model: BM3, batch: TrainBatch) -> Tensor:
    return model.score_batch(batch, torch.Generator()).extra


def written_out(model: BM3, batch: TrainBatch, content_weight: float, regularization: float) -> Tensor:
    """The loss, interaction by interaction; without dropout a target is the vector itself, held fast."""
    p, loss = model.predictor, 0.0
    users, items = model.behaviour()
    items = items + model.behaviour.embedding.weight[N_USERS:]
    pairs = [(users[u], items[i]) for u, i in zip(batch.user_idx, batch.item_idx, strict=True)]
    for u, i in pairs:
        loss = loss - F.cosine_similarity(p(u), i.detach(), dim=0) - F.cosine_similarity(p(i), u.detach(), dim=0)
        loss = loss + regularization * (u @ u + i @ i)
    loss = loss / len(pairs)
    for name, projection in model.projections.items():
        has = [k for k in batch.item_idx.tolist() if PRESENT[name][k]]
        for k in has:
            shown = projection(VALUES[name][k])
            similar = F.cosine_similarity(p(shown), items[k].detach(), dim=0) + F.cosine_similarity(p(shown), shown.detach(), dim=0)
            loss = loss - content_weight * similar / len(has)
    return loss


def test_loss_and_gradients_are_those_of_the_paper() -> None:
    model, batch = make_model(), batch_of_all()
    ours, expected = extra_of(model, batch), written_out(model, batch, 2.0, 0.1)
    torch.testing.assert_close(ours, expected)
    parameters = list(model.parameters())
    for found, wanted in zip(torch.autograd.grad(ours, parameters), torch.autograd.grad(expected, parameters), strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("loss", [partial(bpr, temperature=1.0), partial(sampled_softmax, temperature=1.0)], ids=["bpr", "softmax"])
def test_it_learns_without_negatives(loss: object) -> None:
    """Its scores are none, so any ranking loss of them is zero, and other negatives change nothing."""
    model, batch = make_model(), batch_of_all()
    scores = model.score_batch(batch, torch.Generator())
    assert scores.positive.shape == (0,)
    assert loss(scores.positive, batch.row[:0], scores.negative, batch.valid).item() == 0
    other = batch._replace(negatives=(batch.negatives + 1) % N_ITEMS)
    assert torch.equal(extra_of(model, other), scores.extra)


def test_dropout_is_of_the_targets_alone() -> None:
    """It changes the loss, and never what is predicted from: with all weight on reconstruction, targets of nothing leave a loss of 0."""
    batch = batch_of_all()
    torch.manual_seed(1)
    assert extra_of(make_model(dropout=0.5), batch) != extra_of(make_model(), batch)
    hidden = make_model(dropout=0.999999, content_weight=1.0, regularization=0.0)
    assert extra_of(hidden, batch).abs().item() == 0.0
    assert torch.equal(hidden.freeze().items, make_model().freeze().items)


def test_ranking_is_by_predictions_and_a_new_item_is_zero() -> None:
    model = make_model()
    users, items = model.behaviour()
    items = items + model.behaviour.embedding.weight[N_USERS:]
    frozen = model.freeze()
    torch.testing.assert_close(frozen.users[:4], model.predictor(users)[:4])
    torch.testing.assert_close(frozen.users[4], frozen.users[:4].mean(dim=0))
    torch.testing.assert_close(frozen.items[:4], model.predictor(items)[:4])
    assert not frozen.items[4:].any() and frozen.attention.shape == (N_ITEMS, 0)


def test_absent_features_mean_nothing() -> None:
    other = {name: torch.where(PRESENT[name][:, None], VALUES[name], 99.0) for name in VALUES}
    assert torch.equal(extra_of(make_model(), batch_of_all()), extra_of(make_model(values=other), batch_of_all()))


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="bm3 needs items with text"):
        make_model(values={})
    with pytest.raises(ValueError, match="dropout: expected a share from 0 up to, not including, 1, found 1"):
        make_model(dropout=1.0)
