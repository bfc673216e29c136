"""mmrec.models.multimodal.item_evidence: the item vectors of a model of its own, or those of another."""

import pytest
import torch

from mmrec.models.multimodal.fusion import FusionRecommender
from mmrec.models.multimodal.item_evidence import item_evidence, visible_without
from mmrec.nn.backbones.item_table import ItemTable
from mmrec.nn.fusion.mean import MeanFusion
from tests.models.search.shop import search_spec

HIDDEN = {"modality": 0.3, "feature": 0.1, "query": 0.5}


def test_what_is_hidden_is_that_of_items() -> None:
    made = item_evidence(search_spec(), 8, MeanFusion, ItemTable, None, HIDDEN)
    assert (made.modality_dropout, made.history_dropout, made.collaborative_dropout) == (0.3, 0.0, 0.0)


def test_the_model_to_share_is_returned_itself() -> None:
    shared = FusionRecommender(search_spec(), 8, MeanFusion, kg_encoder=None)
    assert item_evidence(search_spec(), 8, shared, None, None, {}) is shared
    with pytest.raises(ValueError, match="embedding_dim: expected 8, as the shared item vectors have, found 16"):
        item_evidence(search_spec(), 16, shared, None, None, {})


def test_modalities_are_hidden_by_name() -> None:
    made = item_evidence(search_spec(), 8, MeanFusion, ItemTable, None, HIDDEN)
    assert made.modalities == ("collaborative", "text")
    assert torch.equal(visible_without(made, ()), made.present)
    assert not visible_without(made, ("text",))[:, 1].any()
    assert torch.equal(visible_without(made, ("text",))[:, 0], made.present[:, 0])
