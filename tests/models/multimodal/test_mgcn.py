"""MGCN against dense algebra: purifier, views, fuser, contrast; and modalities that an item or a user lacks."""

import math

import pytest
import torch
from torch import Tensor

from mmrec.data.batches.train_batches import PairBatches, TrainBatch
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.models.multimodal.mgcn import MGCN, contrast
from mmrec.types import DatasetSpec, Features, Interactions
from tests.parts import dense_graph, drawn

N_USERS, N_ITEMS, DIM, K = 6, 9, 4, 3
TRAIN = Interactions(torch.tensor([0, 0, 1, 2, 3, 4, 4]), torch.tensor([0, 1, 1, 2, 3, 4, 5]))  # user 5, items 6 to 8 are new
MATRIX = InteractionMatrix.from_pairs(TRAIN.user_idx, TRAIN.item_idx, N_USERS, N_ITEMS)
PRESENT = {
    "text": torch.arange(N_ITEMS) != 2,
    "image": torch.isin(torch.arange(N_ITEMS), torch.tensor([1, 4, 5, 7])),
}  # item 2, all that user 2 has, has neither


VALUES = {"text": drawn(N_ITEMS, 5, seed=1), "image": drawn(N_ITEMS, 7, seed=2)}


def make_model(values: dict[str, Tensor] = VALUES, contrastive_weight: float = 0.0, regularization: float = 0.0, tau: float = 0.2) -> MGCN:
    torch.manual_seed(0)
    spec = DatasetSpec(N_USERS, N_ITEMS, TRAIN, {name: Features(values[name], PRESENT[name]) for name in values})
    return MGCN(spec, DIM, 2, 0.5, K, contrastive_weight, tau, regularization)


def batch_of_all() -> TrainBatch:
    (batch,) = PairBatches(MATRIX, batch_size=99, n_negatives=1, seed=0)
    return batch


def dense_content(model: MGCN) -> Tensor:
    """z as the paper defines it, node by node in the fuser."""
    free, owned = model.behaviour.embedding.weight[N_USERS:], torch.zeros(N_USERS, N_ITEMS)
    owned[TRAIN.user_idx, TRAIN.item_idx] = 1.0
    normalized = owned / (owned.sum(dim=1, keepdim=True) * owned.sum(dim=0)).clamp(min=1).sqrt()
    behaviour, views = torch.cat(model.behaviour()), {}
    for name in VALUES:
        project, gate, _ = model.purifiers[name]
        purified = free * torch.sigmoid(gate(project(VALUES[name])))
        of_items = dense_graph(VALUES[name], PRESENT[name], K) @ purified
        views[name] = torch.cat([normalized @ of_items, of_items])
    has = {name: torch.cat([(owned * PRESENT[name]).any(dim=1), PRESENT[name]]) for name in VALUES}
    found = []
    for node in range(N_USERS + N_ITEMS):
        names = [name for name in VALUES if has[name][node]]
        if not names:
            found.append(torch.zeros(DIM))
            continue
        weights = torch.cat([model.query(views[name][node]) for name in names]).softmax(dim=0)
        shared = sum(weight * views[name][node] for weight, name in zip(weights, names, strict=True))
        apart = sum(model.preferences[name](behaviour[node]) * (views[name][node] - shared) for name in names)
        found.append((shared + apart) / (1 + len(names)))
    return torch.stack(found)


def test_vectors_and_gradients_are_those_of_the_paper() -> None:
    model, goal = make_model(), drawn(N_USERS + N_ITEMS, DIM, seed=3)
    behaviour, content = model.encode()
    torch.testing.assert_close(behaviour, torch.cat(model.behaviour()))
    torch.testing.assert_close(content, dense_content(model), atol=1e-6, rtol=1e-4)
    parameters = list(model.parameters())
    ours, dense = (torch.autograd.grad((of * goal).sum(), parameters) for of in (content, dense_content(model)))
    for found, expected in zip(ours, dense, strict=True):
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    frozen = model.freeze()
    torch.testing.assert_close(torch.cat([frozen.users[:5], frozen.items]), (behaviour + content)[torch.arange(15) != 5])
    torch.testing.assert_close(frozen.users[5], frozen.users[:5].mean(dim=0))


def test_who_lacks_all_modalities_has_their_behaviour_alone() -> None:
    """Item 2 has neither text nor picture, and user 2 has no other item."""
    behaviour, content = make_model().encode()
    assert not content[2].any() and not content[N_USERS + 2].any() and content[[0, 1, 3, 4]].any(dim=1).all()
    assert torch.equal(make_model().freeze().items[2], behaviour[N_USERS + 2])


def test_absent_features_mean_nothing() -> None:
    other = {name: torch.where(PRESENT[name][:, None], VALUES[name], 99.0) for name in VALUES}
    assert torch.equal(make_model().freeze().items, make_model(other).freeze().items)


def test_contrast_by_hand() -> None:
    """Rows at right angles, then both alike: -ln(e² / (e² + 1)) and ln 2, whatever their lengths."""
    one = torch.tensor([[2.0, 0.0], [0.0, 3.0]])
    assert contrast(one, 5 * one, temperature=0.5).item() == pytest.approx(math.log(1 + math.exp(-2)))
    assert contrast(torch.ones(2, 2), torch.ones(2, 2), temperature=0.5).item() == pytest.approx(math.log(2))
    assert contrast(torch.empty(0, 2), torch.empty(0, 2), temperature=0.5).item() == 0


def test_content_is_contrasted_with_behaviour_and_vectors_are_regularised() -> None:
    batch, model = batch_of_all(), make_model(contrastive_weight=0.5, tau=0.3)
    (users, items), (user_content, item_content) = (of.split([N_USERS, N_ITEMS]) for of in model.encode())
    u, i = batch.user_idx, batch.item_idx
    expected = 0.5 * (contrast(user_content[u], users[u], 0.3) + contrast(item_content[i], items[i], 0.3))
    scores = model.score_batch(batch, torch.Generator())
    torch.testing.assert_close(scores.extra, expected)
    total_users, total_items = users + user_content, items + item_content
    torch.testing.assert_close(scores.positive, (total_users[u] * total_items[i]).sum(dim=1))
    rows = total_users[u], total_items[i], total_items[batch.negatives]
    norm = make_model(regularization=0.1).score_batch(batch, torch.Generator()).extra
    torch.testing.assert_close(norm, 0.1 * 0.5 * sum(row.pow(2).sum() for row in rows) / 7)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="mgcn needs items with text"):
        make_model({})
    with pytest.raises(ValueError, match="temperature: expected a number above 0, found 0"):
        make_model(tau=0.0)
