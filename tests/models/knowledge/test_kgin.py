"""KGIN against its equations, one triple after the other, and intents whose distance correlation is known."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from mmrec.data.batches.train_batches import PairBatches, TrainBatch
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.errors import ConfigError
from mmrec.models.knowledge.kgin import KGINRecommender, distance_correlation
from mmrec.types import DatasetSpec, Graph, Interactions

N_USERS, N_ITEMS = 4, 5
GRAPH = Graph(
    torch.tensor([[0, 1, 2, 0, 0], [3, 3, 4, 4, 4]]), torch.tensor([0, 0, 1, 1, 0]), 5, 2, torch.tensor([2, 0, -1, 1, -1])
)  # (0, 4) twice, by two relations; items 2 and 4 are outside, as nodes 5 and 6
TRAIN = Interactions(torch.tensor([0, 0, 1, 2, 2]), torch.tensor([0, 1, 2, 3, 1]))  # user 3 and item 4 have none
SPEC = DatasetSpec(N_USERS, N_ITEMS, TRAIN, graph=GRAPH)
ITEM_NODE = [2, 0, 5, 1, 6]
TRIPLES = [(0, 0, 3), (1, 0, 3), (2, 1, 4), (0, 1, 4), (0, 0, 4)]
BOTH_WAYS = TRIPLES + [(tail, relation + 2, head) for head, relation, tail in TRIPLES]


def make_model(**changes: object) -> KGINRecommender:
    torch.manual_seed(0)
    values = {"embedding_dim": 6, "n_layers": 2, "n_intents": 3, "dropout": 0.5, "independence": 0.1, "regularization": 0.1}
    model = KGINRecommender(SPEC, **values | changes)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    return model


def batch() -> TrainBatch:
    positives = InteractionMatrix.from_pairs(TRAIN.user_idx, TRAIN.item_idx, N_USERS, N_ITEMS)
    return next(iter(PairBatches(positives, 5, n_negatives=2, seed=0)))


def mean_or_zero(vectors: list[Tensor]) -> Tensor:
    return torch.stack(vectors).mean(dim=0) if vectors else torch.zeros(6)


def unit(vector: Tensor) -> Tensor:
    return vector / vector.norm().clamp(min=1e-12)


def published(model: KGINRecommender) -> tuple[Tensor, Tensor]:
    """e* of users and nodes: each user's every item under every intent, each node's every triple."""
    relations, users0 = model.relations, model.users.weight
    intents = [sum(share * e for share, e in zip(w.softmax(0), relations, strict=True)) for w in model.intent_weights]
    users, nodes = list(users0), list(model.nodes.weight)
    all_users, all_nodes = users, nodes
    for _ in range(model.n_layers):
        new_users = []
        for user in range(N_USERS):
            beta = torch.stack([intent @ users0[user] for intent in intents]).softmax(0)
            items = [ITEM_NODE[i] for u, i in zip(TRAIN.user_idx.tolist(), TRAIN.item_idx.tolist(), strict=True) if u == user]
            new_users.append(mean_or_zero([sum(b * p * nodes[i] for b, p in zip(beta, intents, strict=True)) for i in items]))
        nodes = [unit(mean_or_zero([relations[r] * nodes[t] for h, r, t in BOTH_WAYS if h == node])) for node in range(7)]
        all_users = [total + unit(one) for total, one in zip(all_users, new_users, strict=True)]
        all_nodes = [total + one for total, one in zip(all_nodes, nodes, strict=True)]
    return torch.stack(all_users), torch.stack(all_nodes)


def test_equals_the_published_equations_forward_and_backward() -> None:
    ours = make_model().eval()
    theirs = copy.deepcopy(ours)
    users, items = ours.encode(ours.intents())
    expected_users, nodes = published(theirs)
    torch.testing.assert_close(users, expected_users)
    torch.testing.assert_close(items, nodes[ITEM_NODE])
    weight = torch.randn(6)
    (users.sum(dim=0) @ weight + items.sum(dim=0) @ weight).backward()
    (expected_users.sum(dim=0) @ weight + nodes[ITEM_NODE].sum(dim=0) @ weight).backward()
    for (name, parameter), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(parameter.grad, other.grad, atol=1e-5, rtol=1e-4, msg=name)


def test_a_node_is_the_mean_of_its_triples_relation_times_tail() -> None:
    """By hand, from eq. 8: node 1 has one triple, node 0 three, node 6 none."""
    model = make_model()
    e, r = model.nodes.weight, model.relations
    gathered = model.aggregate(e)
    torch.testing.assert_close(gathered[1], r[0] * e[3])
    torch.testing.assert_close(gathered[0], (r[0] * e[3] + r[1] * e[4] + r[0] * e[4]) / 3)
    torch.testing.assert_close(gathered[4], (r[3] * e[2] + r[3] * e[0] + r[2] * e[0]) / 3)
    assert not gathered[6].any()


def distance_correlation_by_pairs(a: list[float], b: list[float]) -> float:
    """Székely et al. 2007, definitions 2 and 3, sample by sample."""

    def centred(x: list[float]) -> list[list[float]]:
        n = len(x)
        d = [[abs(p - q) for q in x] for p in x]
        mean = [sum(row) / n for row in d]
        return [[d[k][m] - mean[k] - mean[m] + sum(mean) / n for m in range(n)] for k in range(n)]

    def covariance(x: list[float], y: list[float]) -> float:
        pairs = zip(centred(x), centred(y), strict=True)
        return (sum(p * q for one, other in pairs for p, q in zip(one, other, strict=True)) / len(x) ** 2) ** 0.5

    return covariance(a, b) / (covariance(a, a) * covariance(b, b)) ** 0.5


def test_distance_correlation_of_two() -> None:
    vectors = torch.randn(2, 9, generator=torch.Generator().manual_seed(0))
    assert float(distance_correlation(vectors)) == pytest.approx(distance_correlation_by_pairs(*vectors.tolist()), abs=1e-5)


def test_distance_correlation_is_one_of_what_is_alike_and_none_of_what_is_independent() -> None:
    line = torch.tensor([1.0, 2.0, 4.0, 7.0])
    assert float(distance_correlation(torch.stack([line, 3 - 2 * line]))) == pytest.approx(1, abs=1e-5)
    grid = torch.cartesian_prod(torch.tensor([0.0, 1.0, 5.0]), torch.tensor([0.0, 2.0])).T
    assert float(distance_correlation(grid)) == pytest.approx(0, abs=1e-3)
    parabola = torch.tensor([-2.0, -1.0, 0.0, 1.0, 2.0])
    assert float(distance_correlation(torch.stack([parabola, parabola**2]))) > 0.4  # which Pearson's takes for independent
    assert float(distance_correlation(torch.stack([line, line, line]))) == pytest.approx(3, abs=1e-4)  # three pairs


def test_gradients_of_the_distance_correlation_are_finite_for_equal_intents() -> None:
    vectors = torch.ones(3, 5, requires_grad=True)
    distance_correlation(vectors).backward()
    assert vectors.grad.isfinite().all()


@torch.no_grad()
def test_the_extra_is_independence_and_lengths() -> None:
    model = make_model().eval()
    generator = torch.Generator()
    extra = model.score_batch(batch(), generator).extra
    plain = make_model(independence=0.0).eval().score_batch(batch(), generator).extra
    torch.testing.assert_close(extra - plain, 0.1 * distance_correlation(model.intents()))
    assert float(plain) > 0 and float(make_model(independence=0.0, regularization=0.0).score_batch(batch(), generator).extra) == 0


def test_the_regulariser_drives_intents_apart() -> None:
    model = make_model(embedding_dim=16)
    optimizer = torch.optim.Adam([model.relations, model.intent_weights], lr=0.02)
    before = float(distance_correlation(model.intents()).detach())
    for _ in range(100):
        optimizer.zero_grad()
        distance_correlation(model.intents()).backward()
        optimizer.step()
    assert float(distance_correlation(model.intents()).detach()) < 0.8 * before


def test_freezing_gives_two_matrices_and_a_user_nobody_has_seen_is_the_average_one() -> None:
    model = make_model()
    scorer = model.freeze()
    users, items = model.encode(model.intents())
    torch.testing.assert_close(scorer.items, items)
    torch.testing.assert_close(scorer.users, torch.cat([users[:3], users[:3].mean(dim=0, keepdim=True)]))
    assert scorer.attention.shape == (N_ITEMS, 0) and not scorer.users.requires_grad


def test_a_dataset_without_a_graph_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"graph\.item_columns"):
        KGINRecommender(replace(SPEC, graph=None), 4, 1, 1, 0.0, 0.0, 0.0)
    with pytest.raises(ValueError, match="n_intents"):
        make_model(n_intents=0)
