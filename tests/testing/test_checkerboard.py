"""The checkerboard beyond the contract: every fusion and backbone on it, and what cannot be known is not known."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
import torch

from mmrec.data.batches.train_batches import TrainBatches
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.losses import bpr, sampled_softmax
from mmrec.models.knowledge.kgat import KGATRecommender
from mmrec.models.knowledge.kgin import KGINRecommender
from mmrec.models.multimodal.fusion import FusionRecommender
from mmrec.models.recommender import GradientRecommender
from mmrec.nn.encoders.knowledge import CompGCNEncoder
from mmrec.tasks.plain_training import PlainTraining
from mmrec.testing.checkerboard import (
    N_USERS,
    N_WARM,
    all_warm_of_ones_colour,
    entities_of_colours,
    make_spec,
    most_of_ones_colour,
    noise,
    own_colour_first,
)
from mmrec.types import DatasetSpec, Features, Graph, Scorer
from tests.parts import BACKBONES, FUSIONS

DIM = 8
GRAPH_MODELS = {
    "kgat": partial(
        KGATRecommender, embedding_dim=DIM, relation_dim=DIM, layer_dims=[DIM, DIM], dropout=0.0, n_triples=64, regularization=0.0
    ),
    "kgin": partial(KGINRecommender, embedding_dim=DIM, n_layers=2, n_intents=2, dropout=0.0, independence=1e-4, regularization=0.0),
}
every_fusion = pytest.mark.parametrize("fusion", FUSIONS)
every_graph_model = pytest.mark.parametrize("name", GRAPH_MODELS)
every_backbone = pytest.mark.parametrize("backbone", BACKBONES)


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


def fit_pairs(make: Callable[..., GradientRecommender], spec: DatasetSpec, n_epochs: int) -> Scorer:
    """A graph model as its paper trains it, only faster: batches of interactions, one negative each, BPR."""
    return PlainTraining(make, partial(bpr, temperature=1.0), batch_size=400, learning_rate=0.02, n_epochs=n_epochs).train(spec).freeze()


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
    assert own_colour_first(fit_pairs(GRAPH_MODELS[name], make_spec(train, {}, graph), n_epochs=40), train).all()


@every_graph_model
def test_graph_models_know_cold_items_by_their_entity(name: str) -> None:
    train = all_warm_of_ones_colour()
    spec = make_spec(train, {}, entities_of_colours(train.n_items))
    assert own_colour_first(fit_pairs(GRAPH_MODELS[name], spec, n_epochs=40), train).all()
    outside = replace(spec.graph, item_entity=torch.where(train.item_degree > 0, spec.graph.item_entity, -1))
    assert not own_colour_first(fit_pairs(GRAPH_MODELS[name], replace(spec, graph=outside), n_epochs=40), train).all()


def test_cold_items_without_content_are_not_known() -> None:
    """The counterfactual: text that says nothing of the colour."""
    train = all_warm_of_ones_colour()
    spec = make_spec(train, {"text": Features(noise(train.n_items), torch.ones(train.n_items, dtype=torch.bool))})
    assert not own_colour_first(fit(spec, train, "attention", "lightgcn"), train).all()
