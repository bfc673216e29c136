"""Every model on data whose right answer is known: users and items of two colours, each user with most items of his own.

Whoever has understood ranks the remaining items of a user's colour before all others. After the checkerboard of benfred/implicit.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import Tensor

from mmrec.data.batches.train_batches import PairBatches, TrainBatches
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.losses import bpr, sampled_softmax
from mmrec.metrics.full_ranking import rank_users
from mmrec.models.closed_form.baseline import Baseline
from mmrec.models.closed_form.content_knn import ContentKNN
from mmrec.models.closed_form.ease import EASE
from mmrec.models.closed_form.ials import IALS
from mmrec.models.closed_form.item_knn import ItemKNN
from mmrec.models.closed_form.rp3beta import RP3Beta
from mmrec.models.closed_form.slim import SLIM
from mmrec.models.closed_form.user_knn import UserKNN
from mmrec.models.collaborative.bpr_mf import BPRMF
from mmrec.models.collaborative.lightgcn import LightGCNRecommender
from mmrec.models.collaborative.lightgcn_baseline import LightGCNBaseline
from mmrec.models.collaborative.sasrec import SASRec
from mmrec.models.knowledge.kgat import KGATRecommender
from mmrec.models.knowledge.kgin import KGINRecommender
from mmrec.models.multimodal.bm3 import BM3
from mmrec.models.multimodal.freedom import FREEDOM
from mmrec.models.multimodal.fusion import FusionRecommender
from mmrec.models.multimodal.lattice import LATTICE
from mmrec.models.multimodal.mgcn import MGCN
from mmrec.models.multimodal.vbpr import VBPR
from mmrec.models.popularity.popularity import Popularity
from mmrec.models.popularity.random import Random
from mmrec.models.recommender import EpochRecommender, Recommender
from mmrec.nn.encoders.knowledge import CompGCNEncoder
from mmrec.types import DatasetSpec, Features, Graph, Interactions, Scorer
from tests.parts import BACKBONES, FUSIONS

N_USERS, N_WARM, N_COLD, DIM = 40, 40, 6, 8
GRAPH_MODELS = {
    "kgat": partial(
        KGATRecommender, embedding_dim=DIM, relation_dim=DIM, layer_dims=[DIM, DIM], dropout=0.0, n_triples=64, regularization=0.0
    ),
    "kgin": partial(KGINRecommender, embedding_dim=DIM, n_layers=2, n_intents=2, dropout=0.0, independence=1e-4, regularization=0.0),
}
every_fusion = pytest.mark.parametrize("fusion", FUSIONS)
every_graph_model = pytest.mark.parametrize("name", GRAPH_MODELS)
every_backbone = pytest.mark.parametrize("backbone", BACKBONES)


def same_colour(n_items: int) -> Tensor:
    """(n_users, n_items): colours alternate, among users as among items."""
    return (torch.arange(N_USERS)[:, None] - torch.arange(n_items)) % 2 == 0


def most_of_ones_colour() -> InteractionMatrix:
    """Everybody has the warm items of his colour but two; every item has as many users."""
    distance = (torch.arange(N_WARM) - torch.arange(N_USERS)[:, None]) % N_WARM
    wanted = same_colour(N_WARM) & (distance > 2)
    return InteractionMatrix.from_pairs(*wanted.nonzero().unbind(1), N_USERS, N_WARM)


def all_warm_of_ones_colour() -> InteractionMatrix:
    """What remains of a user's colour are the cold items, which nobody has."""
    users, items = same_colour(N_WARM).nonzero().unbind(1)
    return InteractionMatrix.from_pairs(users, items, N_USERS, N_WARM + N_COLD)


def own_colour_first(scorer: Scorer, train: InteractionMatrix) -> Tensor:
    """(n_users,): whether the remaining items of a user's colour take the first places."""
    own = same_colour(train.n_items)
    ranking = rank_users(scorer, torch.arange(N_USERS), train, train.n_items)
    hits = own.gather(1, ranking.item_idx.clamp(min=0)) & (ranking.item_idx >= 0)
    n_left = own.sum(dim=1) - train.degree
    assert (n_left > 0).all()
    return (hits.cumsum(dim=1).gather(1, n_left[:, None] - 1) == n_left[:, None])[:, 0]


def make_spec(train: InteractionMatrix, features: dict[str, Features], graph: Graph | None = None) -> DatasetSpec:
    users, items = train.rows(torch.arange(N_USERS))
    times = torch.randperm(len(users), generator=torch.Generator().manual_seed(0))
    return DatasetSpec(N_USERS, train.n_items, Interactions(users, items, times), features, graph)


def fit(
    spec: DatasetSpec, train: InteractionMatrix, fusion: str, backbone: str, loss: Callable = sampled_softmax, n_steps: int = 45
) -> Scorer:
    """A model after a few dozen steps, each of them over all interactions against all items that have any."""
    torch.manual_seed(0)
    kg_encoder = partial(CompGCNEncoder, n_layers=1, dropout=0.0)
    model = FusionRecommender(
        spec, DIM, FUSIONS[fusion], BACKBONES[backbone], kg_encoder, None, None, {"modality": 0.4, "feature": 0.0, "history": 0.5}
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02, weight_decay=1.0)  # against learning the two left out by heart
    (batch,) = TrainBatches(train, N_USERS, n_negatives=train.n_items, shared=True, seed=0)
    generator = torch.Generator().manual_seed(0)
    for _ in range(n_steps):
        optimizer.zero_grad()
        scores = model.score_batch(batch, generator)
        loss(scores.positive, batch.row, scores.negative, batch.valid, temperature=0.2).backward()
        optimizer.step()
    return model.freeze()


def fit_pairs(make: Callable[..., Recommender], spec: DatasetSpec, train: InteractionMatrix, n_epochs: int) -> Scorer:
    """A model of the field as its paper trains it, only faster: batches of interactions, one negative each, BPR."""
    torch.manual_seed(0)
    model = make(spec)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for epoch in range(n_epochs):
        generator = torch.Generator().manual_seed(epoch)
        if isinstance(model, EpochRecommender):
            model.start_epoch(generator)
        for batch in PairBatches(train, batch_size=400, n_negatives=1, seed=0, epoch=lambda epoch=epoch: epoch):
            optimizer.zero_grad()
            scores = model.score_batch(batch, generator)
            row = batch.row[: len(scores.positive)]
            (bpr(scores.positive, row, scores.negative, batch.valid, temperature=1.0) + scores.extra).backward()
            optimizer.step()
    return model.freeze()


def entities_of_colours(n_items: int) -> Graph:
    """Every item is an entity of its own, related to that of its colour."""
    items = torch.arange(n_items)
    return Graph(torch.stack([items, n_items + items % 2]), torch.zeros_like(items), n_items + 2, 1, items)


def noise(n_items: int, dim: int = 4) -> Tensor:
    return torch.randn(n_items, dim, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    "baseline",
    [
        ItemKNN(n_neighbors=20, shrinkage=0.0),
        ItemKNN(n_neighbors=5, shrinkage=10.0),
        UserKNN(n_neighbors=10, shrinkage=1.0),
        RP3Beta(alpha=0.8, beta=0.5, n_neighbors=20),
        EASE(regularization=10.0),
        SLIM(l1=0.5, l2=5.0),
        IALS(embedding_dim=4, regularization=1.0, alpha=1.0, n_iterations=10, seed=0),
        BPRMF(embedding_dim=4, learning_rate=0.05, regularization=0.01, n_epochs=100, seed=0),
        LightGCNBaseline(embedding_dim=8, n_layers=2, learning_rate=0.02, temperature=0.2, n_epochs=30, seed=0),
        SASRec(embedding_dim=8, n_layers=1, n_heads=1, dropout=0.2, max_length=20, learning_rate=0.01, n_epochs=20, seed=0),
    ],
    ids=lambda baseline: type(baseline).__name__,
)
def test_baselines(baseline: Baseline) -> None:
    train = most_of_ones_colour()
    assert own_colour_first(baseline.fit(make_spec(train, {})), train).all()


def test_lightgcn_learns_single_pairs() -> None:
    train = most_of_ones_colour()
    torch.manual_seed(0)
    model = LightGCNRecommender(make_spec(train, {}), DIM, n_layers=2, init_scale=0.1, regularization=1e-4)
    optimizer, generator = torch.optim.Adam(model.parameters(), lr=0.05), torch.Generator()
    for epoch in range(10):
        for batch in PairBatches(train, 256, n_negatives=1, seed=epoch):
            optimizer.zero_grad()
            scores = model.score_batch(batch, generator)
            (bpr(scores.positive, batch.row, scores.negative, batch.valid, temperature=1.0) + scores.extra).backward()
            optimizer.step()
    assert own_colour_first(model.freeze(), train).all()


@pytest.mark.parametrize("baseline", [Popularity(), Random(seed=0)], ids=lambda baseline: type(baseline).__name__)
def test_popularity_and_chance_cannot(baseline: Baseline) -> None:
    train = most_of_ones_colour()
    assert own_colour_first(baseline.fit(make_spec(train, {})), train).float().mean() < 0.5


def test_content_alone_knows_cold_items() -> None:
    train = all_warm_of_ones_colour()
    colour = torch.arange(train.n_items) % 2 * 2.0 - 1
    values = torch.cat([colour[:, None] * 2, 0.3 * noise(train.n_items)], dim=1)
    spec = make_spec(train, {"text": Features(values, torch.ones(train.n_items, dtype=torch.bool))})
    assert own_colour_first(ContentKNN("text").fit(spec), train).all()


def test_an_untrained_model_cannot() -> None:
    train = most_of_ones_colour()
    scorer = fit(make_spec(train, {}), train, "mean", "item_table", n_steps=0)
    assert own_colour_first(scorer, train).float().mean() < 0.5


@every_fusion
@every_backbone
@pytest.mark.parametrize("loss", [sampled_softmax, bpr])
def test_colours_are_learned_from_interactions(fusion: str, backbone: str, loss: Callable) -> None:
    """The text beside them is noise, and every third item has none."""
    train = most_of_ones_colour()
    present = torch.arange(N_WARM) % 3 > 0
    spec = make_spec(train, {"text": Features(torch.where(present[:, None], noise(N_WARM), 0.0), present)})
    assert own_colour_first(fit(spec, train, fusion, backbone, loss), train).all()


@every_fusion
@every_backbone
def test_cold_items_are_known_by_their_text(fusion: str, backbone: str) -> None:
    """One direction of the text is the colour, the others are noise."""
    train = all_warm_of_ones_colour()
    colour = torch.arange(train.n_items) % 2 * 2.0 - 1
    values = torch.cat([colour[:, None] * 2, 0.3 * noise(train.n_items)], dim=1)
    spec = make_spec(train, {"text": Features(values, torch.ones(train.n_items, dtype=torch.bool))})
    assert own_colour_first(fit(spec, train, fusion, backbone), train).all()


@every_fusion
@every_backbone
def test_cold_items_are_known_by_their_entity(fusion: str, backbone: str) -> None:
    train = all_warm_of_ones_colour()
    spec = make_spec(train, {}, entities_of_colours(train.n_items))
    assert own_colour_first(fit(spec, train, fusion, backbone), train).all()


@every_graph_model
def test_graph_models_learn_colours_from_interactions(name: str) -> None:
    """The graph says nothing of them: pairs of items, one of each colour."""
    train = most_of_ones_colour()
    items = torch.arange(N_WARM)
    graph = Graph(torch.stack([items, N_WARM + items // 2]), torch.zeros_like(items), N_WARM + N_WARM // 2, 1, items)
    assert own_colour_first(fit_pairs(GRAPH_MODELS[name], make_spec(train, {}, graph), train, n_epochs=40), train).all()


@every_graph_model
def test_graph_models_know_cold_items_by_their_entity(name: str) -> None:
    train = all_warm_of_ones_colour()
    spec = make_spec(train, {}, entities_of_colours(train.n_items))
    assert own_colour_first(fit_pairs(GRAPH_MODELS[name], spec, train, n_epochs=40), train).all()
    outside = replace(spec.graph, item_entity=torch.where(train.item_degree > 0, spec.graph.item_entity, -1))
    assert not own_colour_first(fit_pairs(GRAPH_MODELS[name], replace(spec, graph=outside), train, n_epochs=40), train).all()


def test_cold_items_without_content_are_not_known() -> None:
    """The counterfactual: text that says nothing of the colour."""
    train = all_warm_of_ones_colour()
    spec = make_spec(train, {"text": Features(noise(train.n_items), torch.ones(train.n_items, dtype=torch.bool))})
    assert not own_colour_first(fit(spec, train, "attention", "lightgcn"), train).all()


FIELD: dict[str, Callable[..., Recommender]] = {
    "vbpr": partial(VBPR, embedding_dim=DIM, content_dim=DIM, init_scale=0.1, regularization=0.001),
    "lattice": partial(
        LATTICE, embedding_dim=DIM, content_dim=DIM, n_layers=2, init_scale=0.1, n_neighbours=5, initial_share=0.7, regularization=0.001
    ),
    "freedom": partial(
        FREEDOM,
        embedding_dim=DIM,
        n_layers=2,
        init_scale=0.1,
        n_neighbours=5,
        modality_weights={"text": 1.0},
        edge_dropout=0.5,
        content_weight=0.1,
    ),
    "bm3": partial(BM3, embedding_dim=DIM, n_layers=2, init_scale=0.1, dropout=0.3, content_weight=1.0, regularization=0.0),
    "mgcn": partial(
        MGCN,
        embedding_dim=DIM,
        n_layers=2,
        init_scale=0.1,
        n_neighbours=5,
        contrastive_weight=0.01,
        temperature=0.2,
        regularization=0.001,
    ),
}
KNOWS_COLD = ["vbpr", "lattice", "freedom", "mgcn"]


@pytest.mark.parametrize("name", FIELD)
def test_models_of_the_field_learn_colours_from_interactions(name: str) -> None:
    """The text says the colour too, of two items in three, among noise: these models learn from both."""
    train = most_of_ones_colour()
    present = torch.arange(N_WARM) % 3 > 0
    values = torch.cat([(torch.arange(N_WARM) % 2 * 2.0 - 1)[:, None], 0.3 * noise(N_WARM)], dim=1)
    spec = make_spec(train, {"text": Features(torch.where(present[:, None], values, 0.0), present)})
    assert own_colour_first(fit_pairs(FIELD[name], spec, train, n_epochs=30), train).all()


@pytest.mark.parametrize("name", KNOWS_COLD)
def test_models_of_the_field_know_cold_items_by_their_text(name: str) -> None:
    train = all_warm_of_ones_colour()
    colour = torch.arange(train.n_items) % 2 * 2.0 - 1
    values = torch.cat([colour[:, None] * 2, 0.3 * noise(train.n_items)], dim=1)
    spec = make_spec(train, {"text": Features(values, torch.ones(train.n_items, dtype=torch.bool))})
    assert own_colour_first(fit_pairs(FIELD[name], spec, train, n_epochs=30), train).all()
