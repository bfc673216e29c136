"""LATTICE against dense algebra: what its graphs are, when they change, and where gradients go."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from mmrec.data.batches.train_batches import PairBatches
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.models.multimodal.lattice import LATTICE
from mmrec.types import DatasetSpec, Features, Interactions
from tests.parts import dense_graph, drawn

N_USERS, N_ITEMS, DIM, K = 6, 9, 4, 3
TRAIN = Interactions(torch.tensor([0, 0, 1, 2, 3, 4, 4]), torch.tensor([0, 1, 1, 2, 3, 4, 5]))  # user 5, items 6 to 8 are new
PRESENT = {"text": torch.arange(N_ITEMS) != 2, "image": (torch.arange(N_ITEMS) % 3 > 0)}


VALUES = {"text": drawn(N_ITEMS, 5, seed=1), "image": drawn(N_ITEMS, 7, seed=2)}


def make_model(values: dict[str, Tensor] = VALUES, initial_share: float = 0.7, regularization: float = 0.0) -> LATTICE:
    torch.manual_seed(0)
    spec = DatasetSpec(N_USERS, N_ITEMS, TRAIN, {name: Features(values[name], PRESENT[name]) for name in values})
    return LATTICE(spec, DIM, 6, n_layers=2, init_scale=0.1, n_neighbours=K, initial_share=initial_share, regularization=regularization)


def batch_of_all() -> object:
    matrix = InteractionMatrix.from_pairs(TRAIN.user_idx, TRAIN.item_idx, N_USERS, N_ITEMS)
    (batch,) = PairBatches(matrix, batch_size=99, n_negatives=1, seed=0)
    return batch


def dense_items(model: LATTICE, initial_share: float) -> Tensor:
    """The items' vectors as the paper defines them."""
    own, similar = model.behaviour.embedding.weight[N_USERS:], 0.0
    for share, name in zip(model.modality_weights.softmax(dim=0), VALUES, strict=True):
        learned = dense_graph(model.projections[name](VALUES[name]), PRESENT[name], K)
        graph = initial_share * dense_graph(VALUES[name], PRESENT[name], K) + (1 - initial_share) * learned
        similar = similar + share * graph @ own
    return model.behaviour()[1] + F.normalize(similar)


@pytest.mark.parametrize("initial_share", [0.0, 0.7, 1.0])
def test_items_are_those_of_the_paper(initial_share: float) -> None:
    model = make_model(initial_share=initial_share)
    model.modality_weights.data.copy_(torch.tensor([0.3, -0.4]))
    frozen = model.freeze()
    torch.testing.assert_close(frozen.items, dense_items(model, initial_share), atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(frozen.users[:5], model.behaviour()[0][:5])
    torch.testing.assert_close(frozen.users[5], frozen.users[:5].mean(dim=0))


def test_gradients_are_those_of_dense_algebra() -> None:
    model, goal = make_model(), drawn(N_ITEMS, DIM, seed=3)
    parameters = list(model.parameters())
    ours, dense = (
        torch.autograd.grad((items * goal).sum(), parameters) for items in (model.encode(model.learned)[1], dense_items(model, 0.7))
    )
    for found, expected in zip(ours, dense, strict=True):
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    assert all(found.abs().sum() > 0 for found in ours)


def test_neighbours_change_with_the_epoch_and_not_with_the_step() -> None:
    model, batch = make_model(), batch_of_all()
    edges = {name: graph.col.clone() for name, graph in model.learned.items()}
    for projection in model.projections.values():
        projection.weight.data.copy_(drawn(*projection.weight.shape, seed=4))
    model.score_batch(batch, torch.Generator())
    model.freeze()
    assert all(torch.equal(model.learned[name].col, edges[name]) for name in edges)
    torch.testing.assert_close(model.freeze().items, dense_items(model, 0.7), atol=1e-6, rtol=1e-5)  # ranking takes the nearest of now
    model.start_epoch(torch.Generator())
    assert not all(torch.equal(model.learned[name].col, edges[name]) for name in edges)


def test_absent_features_mean_nothing() -> None:
    other = {name: torch.where(PRESENT[name][:, None], VALUES[name], 99.0) for name in VALUES}
    assert torch.equal(make_model().freeze().items, make_model(other).freeze().items)


def test_a_new_item_is_like_its_neighbours() -> None:
    """Item 8 has the text and the picture of item 4: what training makes of item 4 moves both."""
    values = {name: VALUES[name].clone() for name in VALUES}
    for name in values:
        values[name][8] = values[name][4]
    model = make_model(values)
    before = model.freeze().items
    model.behaviour.embedding.weight.data[N_USERS + 4] += 1
    moved = (model.freeze().items - before).norm(dim=1)
    assert moved[8] > 0.3 and moved[0] < moved[8]


def test_the_vectors_of_a_batch_are_regularised() -> None:
    (model, batch), none = (
        (make_model(regularization=0.1), batch_of_all()),
        make_model().score_batch(batch_of_all(), torch.Generator()).extra,
    )
    users, items = model.encode(model.learned)
    rows = users[batch.user_idx], items[batch.item_idx], items[batch.negatives]
    expected = 0.1 * 0.5 * sum(row.pow(2).sum() for row in rows) / 7
    assert none == 0 and model.score_batch(batch, torch.Generator()).extra.item() == pytest.approx(expected.item())


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="lattice needs items with text"):
        make_model({})
    with pytest.raises(ValueError, match="initial_share: expected a share from 0 to 1, found 2"):
        make_model(initial_share=2)
