"""KGAT against its equations, one triple after the other, and attention that stands still within an epoch."""

import copy
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from mmrec.data.batches.train_batches import PairBatches, TrainBatch
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.errors import ConfigError
from mmrec.models.knowledge.kgat import KGATRecommender
from mmrec.types import DatasetSpec, Graph, Interactions

N_USERS, N_ITEMS = 4, 5
GRAPH = Graph(
    torch.tensor([[0, 1, 2, 0, 0], [3, 3, 4, 4, 4]]), torch.tensor([0, 0, 1, 1, 0]), 5, 2, torch.tensor([2, 0, -1, 1, -1])
)  # (0, 4) twice, by two relations; items 2 and 4 are outside
TRAIN = Interactions(torch.tensor([0, 0, 1, 2, 2]), torch.tensor([0, 1, 2, 3, 1]))  # user 3 and item 4 have none
SPEC = DatasetSpec(N_USERS, N_ITEMS, TRAIN, graph=GRAPH)
TRIPLES = [(0, 0, 3), (1, 0, 3), (2, 1, 4), (0, 1, 4), (0, 0, 4), (7, 2, 2), (7, 2, 0), (8, 2, 5), (9, 2, 1), (9, 2, 0)]
"""With the interactions: entities 0 to 4, items outside 5 and 6, users 7 to 10."""
BOTH_WAYS = TRIPLES + [(tail, relation + 3, head) for head, relation, tail in TRIPLES]


def make_model(**changes: object) -> KGATRecommender:
    torch.manual_seed(0)
    sizes = {"embedding_dim": 4, "relation_dim": 3, "layer_dims": [4, 2], "dropout": 0.5, "n_triples": 8, "regularization": 0.1}
    model = KGATRecommender(SPEC, **sizes | changes)
    for parameter in model.parameters():  # far from zero: attention is to differ between neighbours
        torch.nn.init.normal_(parameter)
    model.start_epoch(torch.Generator().manual_seed(0))
    return model


def batch() -> TrainBatch:
    positives = InteractionMatrix.from_pairs(TRAIN.user_idx, TRAIN.item_idx, N_USERS, N_ITEMS)
    return next(iter(PairBatches(positives, 5, n_negatives=2, seed=0)))


def published(model: KGATRecommender, embeddings: Tensor) -> Tensor:
    """e* of all nodes, triple by triple; attention is of the embeddings as they were, and has no gradient."""
    fixed, matrices, vectors = model.embedding.weight.detach(), model.transr.matrices.detach(), model.transr.vectors.detach()
    layer, layers = embeddings, [embeddings]
    for aggregate in model.layers:
        rows = []
        for node in range(11):
            neighbours, scores = [], []
            for head, r, tail in BOTH_WAYS:
                if head == node:
                    neighbours.append(layer[tail])
                    scores.append((fixed[tail] @ matrices[r]) @ (fixed[head] @ matrices[r] + vectors[r]).tanh())
            around = torch.stack(scores).softmax(0) @ torch.stack(neighbours) if scores else torch.zeros_like(layer[node])
            added, multiplied = aggregate.added(layer[node] + around), aggregate.multiplied(layer[node] * around)
            rows.append(F.leaky_relu(added, 0.2) + F.leaky_relu(multiplied, 0.2))
        layer = torch.stack(rows)
        layers.append(layer / layer.norm(dim=1, keepdim=True))
    return torch.cat(layers, dim=1)


def test_equals_the_published_equations_forward_and_backward() -> None:
    ours = make_model().eval()
    theirs = copy.deepcopy(ours)
    users, items = ours.encode(ours.attention)
    nodes = published(theirs, theirs.embedding.weight)
    torch.testing.assert_close(users, nodes[7:])
    torch.testing.assert_close(items, nodes[[2, 0, 5, 1, 6]])
    weight = torch.randn(users.shape[1])
    (users.sum(dim=0) @ weight + items.sum(dim=0) @ weight).backward()
    (nodes[7:].sum(dim=0) @ weight + nodes[[2, 0, 5, 1, 6]].sum(dim=0) @ weight).backward()
    torch.testing.assert_close(ours.embedding.weight.grad, theirs.embedding.weight.grad)
    torch.testing.assert_close(ours.layers[0].multiplied.weight.grad, theirs.layers[0].multiplied.weight.grad)
    assert ours.transr.matrices.grad is None  # attention is a constant


def test_attention_is_a_distribution_over_the_triples_of_a_node() -> None:
    model = make_model()
    row = torch.repeat_interleave(torch.arange(11), model.propagation.crow.diff())
    sums = torch.zeros(11).index_add(0, row, model.attention)
    torch.testing.assert_close(sums, torch.tensor([1.0] * 6 + [0.0] + [1.0] * 3 + [0.0]))  # item 4 and user 3 have no triples
    assert (model.attention > 0).all()


def test_attention_is_computed_once_an_epoch() -> None:
    model = make_model()
    before = model.attention.clone()
    torch.nn.init.normal_(model.embedding.weight)
    model.score_batch(batch(), torch.Generator().manual_seed(0))
    assert torch.equal(model.attention, before)
    model.start_epoch(torch.Generator())
    assert not torch.equal(model.attention, before) and torch.equal(model.attention, model.attend())


def test_a_checkpoint_in_the_middle_of_an_epoch_holds_its_attention() -> None:
    model, twin = make_model(), make_model()
    torch.nn.init.normal_(model.embedding.weight)
    twin.load_state_dict(model.state_dict())
    assert torch.equal(twin.attention, model.attention) and not torch.equal(twin.attention, twin.attend())


def test_freezing_ranks_by_the_attention_of_the_weights_and_leaves_training_as_it_was() -> None:
    model = make_model()
    torch.nn.init.normal_(model.embedding.weight)
    before = model.attention.clone()
    scorer = model.freeze()
    users, items = model.encode(model.attend())
    torch.testing.assert_close(scorer.items, items)
    torch.testing.assert_close(scorer.users[:3], users[:3])
    torch.testing.assert_close(scorer.users[3], users[:3].mean(dim=0))  # nobody has seen user 3
    assert torch.equal(model.attention, before) and not scorer.items.requires_grad and scorer.attention.shape == (N_ITEMS, 0)


def test_the_triple_loss_is_its_mean_over_all_triples() -> None:
    """Every triple taken, so only the tails against it are drawn; a thousand draws are near the mean over all of them."""
    model = make_model(n_triples=1000, regularization=0.0)
    e, matrices, vectors = model.embedding.weight, model.transr.matrices, model.transr.vectors

    def energy(head: int, r: int, tail: int) -> Tensor:
        return (e[head] @ matrices[r] + vectors[r] - e[tail] @ matrices[r]).square().sum()

    losses = [-F.logsigmoid(energy(h, r, other) - energy(h, r, t)) for h, r, t in BOTH_WAYS for other in range(11)]
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        drawn = torch.stack([model.triple_loss(generator) for _ in range(1000)])
        assert float((drawn.mean() - torch.stack(losses).mean()).abs()) < 4 * float(drawn.std()) / 1000**0.5


def test_a_step_takes_triples_in_each_relations_share() -> None:
    model = make_model(n_triples=8)
    counts = torch.tensor([3, 2, 5, 3, 2, 5])
    assert model.taken == [2, 1, 2, 2, 1, 2]  # of 8 · share, rounded up
    torch.testing.assert_close(model.triple_weight.sum(), torch.tensor(1.0))
    torch.testing.assert_close(model.triple_weight, (counts / 20 / torch.tensor(model.taken)).repeat_interleave(torch.tensor(model.taken)))


def test_the_extra_is_a_function_of_the_generator() -> None:
    model = make_model().eval()
    first, again, other = (model.score_batch(batch(), torch.Generator().manual_seed(seed)).extra for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_a_dataset_without_a_graph_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"graph\.item_columns"):
        KGATRecommender(replace(SPEC, graph=None), 4, 3, [4], 0.0, 8, 0.0)
    with pytest.raises(ValueError, match="layer_dims"):
        make_model(layer_dims=[4, 0])
