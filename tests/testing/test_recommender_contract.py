"""Every model keeps the contract; a new one is tested without a line here, unless its defaults are too large for the checkerboard."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from mmrec.losses import bpr, sampled_softmax
from mmrec.models.recommender import RANKS
from mmrec.testing.discovery import find_models
from mmrec.testing.recommender_contract import RecommenderContract
from tests.parts import BACKBONES, FUSIONS

SETTINGS: dict[str, Mapping[str, Any]] = {
    "BM3": {"embedding_dim": 8},
    "EASE": {"regularization": 10.0},
    "FREEDOM": {"embedding_dim": 8, "n_neighbours": 5, "edge_dropout": 0.5, "content_weight": 0.1},
    "FusionRecommender": {
        "embedding_dim": 8,
        "fusion": FUSIONS["attention"],
        "backbone": BACKBONES["lightgcn"],
        "dropout": {"modality": 0.4, "feature": 0.0, "history": 0.5},
    },
    "IALS": {"embedding_dim": 4, "regularization": 1.0},
    "KGATRecommender": {"embedding_dim": 8, "relation_dim": 8, "layer_dims": [8, 8], "dropout": 0.0, "n_triples": 64},
    "KGINRecommender": {"embedding_dim": 8, "n_layers": 2, "n_intents": 2, "dropout": 0.0},
    "LATTICE": {"embedding_dim": 8, "content_dim": 8, "n_neighbours": 5},
    "LightGCNRecommender": {"embedding_dim": 8},
    "MeLU": {"embedding_dim": 8, "hidden_dim": 16, "n_steps": 2, "inner_lr": 1.0},
    "MGCN": {"embedding_dim": 8, "n_neighbours": 5},
    "MatrixFactorizationRecommender": {"embedding_dim": 8, "sparse_gradients": False},
    "SASRec": {"embedding_dim": 8, "n_layers": 1, "n_heads": 1, "max_length": 20},
    "BERT4Rec": {"embedding_dim": 8, "n_layers": 1, "n_heads": 1, "dropout": 0.0, "max_length": 20},
    "MarkovChain": {"window": 60, "decay": 1.0},
    "SLIM": {"l1": 0.5, "l2": 5.0},
    "SequenceFusion": {
        "embedding_dim": 8,
        "transformer": {"n_layers": 1, "n_heads": 1, "dropout": 0.0, "max_length": 20},
        "dropout": {"modality": 0.4, "feature": 0.0},
    },
    "VBPR": {"embedding_dim": 8, "content_dim": 8},
}
OF_USERS = {"batch_of": "users", "batch_size": 40, "n_negatives": 46}
TRAINING: dict[str, Mapping[str, Any]] = {
    "FusionRecommender": OF_USERS | {"loss": partial(sampled_softmax, temperature=0.2), "learning_rate": 0.02, "n_epochs": 45},
    "SASRec": OF_USERS | {"loss": partial(bpr, temperature=1.0), "batch_size": 10, "learning_rate": 0.01, "n_epochs": 30},
}
TRAINING["MeLU"] = OF_USERS | {"loss": partial(bpr, temperature=1.0), "batch_size": 10, "learning_rate": 0.01, "n_epochs": 40}
TRAINING["SequenceFusion"] = TRAINING["SASRec"]
TRAINING["BERT4Rec"] = TRAINING["SASRec"] | {"n_epochs": 60}
WITHOUT_COLOURS = ("Popularity", "Random", "RandomNewItems", "RecentPopularity")

for found in (one for one in find_models() if one.predicts == RANKS):
    named = {"model": found, "settings": SETTINGS.get(found.__name__, {}), "learns_colours": found.__name__ not in WITHOUT_COLOURS}
    own = {"training": TRAINING[found.__name__]} if found.__name__ in TRAINING else {}
    globals()[f"Test{found.__name__}"] = type(f"Test{found.__name__}", (RecommenderContract,), named | own)


def test_all_models_of_all_kinds_are_found() -> None:
    names = {model.__name__ for model in find_models()}
    assert {"EASE", "IALS", "Popularity", "SASRec", "LightGCNRecommender", "KGATRecommender", "FusionRecommender", "BM3"} <= names
    assert not names & {"ClosedFormRecommender", "GradientRecommender", "HistoryBasedRecommender", "BehaviourRecommender"}
