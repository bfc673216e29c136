"""FREEDOM against dense algebra: the frozen graph, which edges an epoch keeps and how often, the loss of content, ranking by all edges."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from mmrec.data.batches.train_batches import PairBatches, TrainBatch
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.models.multimodal.freedom import FREEDOM, sample_edges
from mmrec.types import DatasetSpec, Features, Interactions
from tests.parts import drawn

N_USERS, N_ITEMS, DIM, K = 6, 9, 4, 3
TRAIN = Interactions(torch.tensor([0, 0, 1, 2, 3, 4, 4, 0]), torch.tensor([0, 1, 1, 2, 3, 4, 5, 0]))  # user 5, items 6 to 8 are new
MATRIX = InteractionMatrix.from_pairs(TRAIN.user_idx, TRAIN.item_idx, N_USERS, N_ITEMS)
PRESENT = {"text": torch.arange(N_ITEMS) != 2, "image": torch.arange(N_ITEMS) % 3 > 0}
WEIGHTS = {"text": 0.75, "image": 0.25, "sound": 7.0}


VALUES = {"text": drawn(N_ITEMS, 5, seed=1), "image": drawn(N_ITEMS, 7, seed=2)}


def make_model(values: dict[str, Tensor] = VALUES, edge_dropout: float = 0.5, weights: dict[str, float] = WEIGHTS) -> FREEDOM:
    torch.manual_seed(0)
    spec = DatasetSpec(N_USERS, N_ITEMS, TRAIN, {name: Features(values[name], PRESENT[name]) for name in values})
    return FREEDOM(
        spec,
        DIM,
        n_layers=2,
        init_scale=0.1,
        n_neighbours=K,
        modality_weights=weights,
        edge_dropout=edge_dropout,
        content_weight=0.1,
    )


def dense_similar() -> Tensor:
    """Σ α_m S_m: binary, normalised, the weights of an item's modalities made to sum to 1."""
    total, mixed = sum(WEIGHTS[name] * PRESENT[name].float() for name in VALUES), torch.zeros(N_ITEMS, N_ITEMS)
    for name in VALUES:
        unit = F.normalize(VALUES[name])
        cosine = (unit @ unit.T).masked_fill(~PRESENT[name], -torch.inf)
        kept = torch.zeros_like(cosine).scatter(1, cosine.topk(K).indices, 1.0) * PRESENT[name][:, None] * (cosine > 0)
        scale = torch.where(PRESENT[name], kept.sum(dim=1).clamp(min=1).rsqrt(), 0.0)
        mixed += (WEIGHTS[name] * PRESENT[name] / total)[:, None] * (scale[:, None] * kept * scale)
    return mixed


def dense_vectors(model: FREEDOM, user: Tensor, item: Tensor) -> tuple[Tensor, Tensor]:
    """The vectors by a user-item graph of these edges."""
    graph = torch.zeros(N_USERS + N_ITEMS, N_USERS + N_ITEMS)
    graph[user, N_USERS + item] = graph[N_USERS + item, user] = 1.0
    scale = graph.sum(dim=1).clamp(min=1e-12).rsqrt()
    graph, free = scale[:, None] * graph * scale, model.behaviour.embedding.weight
    users, items = ((free + graph @ free + graph @ graph @ free) / 3).split([N_USERS, N_ITEMS])
    return users, items + dense_similar() @ free[N_USERS:]


def batch_of_all() -> TrainBatch:
    (batch,) = PairBatches(MATRIX, batch_size=99, n_negatives=2, seed=0)
    return batch


def test_ranking_is_by_the_frozen_graph_and_all_interactions() -> None:
    model = make_model()
    model.start_epoch(torch.Generator().manual_seed(3))
    sampled = model.behaviour.propagation
    users, items = dense_vectors(model, TRAIN.user_idx, TRAIN.item_idx)
    frozen = model.freeze()
    torch.testing.assert_close(frozen.items, items)
    torch.testing.assert_close(frozen.users, torch.cat([users[:5], users[:5].mean(dim=0, keepdim=True)]))
    assert model.behaviour.propagation is sampled


def test_an_epoch_trains_on_the_edges_it_drew() -> None:
    model, batch = make_model(), batch_of_all()
    model.start_epoch(torch.Generator().manual_seed(3))
    kept = sample_edges(MATRIX, 3, torch.Generator().manual_seed(3))  # of 7 distinct ones
    users, items = dense_vectors(model, *(ends[kept] for ends in MATRIX.rows(torch.arange(N_USERS))))
    scores = model.score_batch(batch, torch.Generator())
    torch.testing.assert_close(scores.positive, (users[batch.user_idx] * items[batch.item_idx]).sum(dim=1))
    torch.testing.assert_close(scores.negative, torch.einsum("bd,bnd->bn", users[batch.user_idx], items[batch.negatives]))
    again, other = copy.deepcopy(model), copy.deepcopy(model)
    again.start_epoch(torch.Generator().manual_seed(3))
    other.start_epoch(torch.Generator().manual_seed(4))
    assert torch.equal(again.score_batch(batch, torch.Generator()).positive, scores.positive)
    assert not torch.equal(other.score_batch(batch, torch.Generator()).positive, scores.positive)


def test_a_checkpoint_in_the_middle_of_an_epoch_holds_its_edges() -> None:
    model, twin = make_model(), make_model()
    model.start_epoch(torch.Generator().manual_seed(3))
    twin.load_state_dict(model.state_dict())
    one, other = (each.score_batch(batch_of_all(), torch.Generator()).positive for each in (model, twin))
    assert torch.equal(one, other) and torch.equal(model.freeze().items, twin.freeze().items)


def test_without_dropout_all_edges_are_kept() -> None:
    model = make_model(edge_dropout=0.0)
    model.start_epoch(torch.Generator())
    torch.testing.assert_close(model.encode()[1], dense_vectors(model, TRAIN.user_idx, TRAIN.item_idx)[1])


def test_edges_are_drawn_by_their_degrees() -> None:
    """Weights 1/√(d_u d_i) of (0,0), (0,1), (1,1), (2,2): ½ √2, ½, ½ √2, 1; two are drawn one after the other."""
    edges = InteractionMatrix.from_pairs(torch.tensor([0, 0, 1, 2]), torch.tensor([0, 1, 1, 2]), 3, 3)
    p = torch.tensor([0.5**0.5, 0.5, 0.5**0.5, 1.0])
    p = p / p.sum()
    expected = torch.stack([p[e] + sum(p[o] * p[e] / (1 - p[o]) for o in range(4) if o != e) for e in range(4)])
    generator, counts, n = torch.Generator().manual_seed(0), torch.zeros(4), 4000
    for _ in range(n):
        counts[sample_edges(edges, 2, generator)] += 1
    assert counts.sum() == 2 * n
    assert ((counts / n - expected).abs() < 4 * (expected * (1 - expected) / n).sqrt()).all()


def test_the_loss_of_content_is_bpr_over_pairs_that_have_it() -> None:
    model, batch, expected = make_model(), batch_of_all(), 0.0
    users = model.encode()[0][batch.user_idx]
    for name in VALUES:
        projected, losses = model.projections[name](VALUES[name]), []
        for u, i, negatives in zip(users, batch.item_idx, batch.negatives, strict=True):
            if PRESENT[name][i]:
                own = [F.softplus(u @ projected[j] - u @ projected[i]) for j in negatives if PRESENT[name][j]]
                losses.append(sum(own) / max(1, len(own)))
        expected = expected + sum(losses) / len(losses)
    found = model.score_batch(batch, torch.Generator()).extra
    torch.testing.assert_close(found, 0.1 * expected)
    found.backward()
    assert model.behaviour.embedding.weight.grad.any() and model.projections["image"].weight.grad.any()


def test_absent_features_mean_nothing() -> None:
    other, batch = {name: torch.where(PRESENT[name][:, None], VALUES[name], 99.0) for name in VALUES}, batch_of_all()
    assert torch.equal(make_model().freeze().items, make_model(other).freeze().items)
    one, two = (make_model(values).score_batch(batch, torch.Generator()).extra for values in (VALUES, other))
    assert torch.equal(one, two)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="freedom needs items with text"):
        make_model({})
    with pytest.raises(ValueError, match="edge_dropout: expected a share from 0 up to, not including, 1, found 1"):
        make_model(edge_dropout=1.0)
    with pytest.raises(ValueError, match=r"modality_weights: image has none; set it as modality_weights\.image"):
        make_model(weights={"text": 1.0})
    with pytest.raises(ValueError, match="modality_weights: expected weights above 0"):
        make_model(weights={"text": 1.0, "image": 0.0})
