"""mmrec.models.multimodal.multi_fusion: the heads share the items, and answer as the models of single tasks do."""

from dataclasses import replace

import pytest
import torch

from mmrec.errors import ConfigError
from mmrec.models.multimodal.fusion import FusionRecommender
from mmrec.models.multimodal.multi_fusion import MultiFusion, spec_with_tasks
from mmrec.models.search.search_fusion import SearchFusion, spec_of_people
from mmrec.types import DatasetSpec
from tests.models.search.shop import search_spec

SEARCH = search_spec()
PEOPLE = spec_of_people(SEARCH)


def both() -> DatasetSpec:
    """Two people, whose interactions have ratings, and the queries."""
    rated = replace(PEOPLE, train=replace(PEOPLE.train, rating=(PEOPLE.train.item_idx % 5).float()))
    return spec_with_tasks({"search": SEARCH, "ranking": PEOPLE, "rating": rated})


def made(seed: int = 0) -> MultiFusion:
    torch.manual_seed(seed)
    return MultiFusion(both(), embedding_dim=8, kg_encoder=None)


def test_all_heads_read_the_same_items() -> None:
    model = made()
    assert model.lead == "ranking" and model.head("ranking") is model.evidence
    assert all(model.head(name).evidence is model.evidence for name in ("search", "rating"))


def test_the_state_has_the_shared_items_once_and_restores_all_heads() -> None:
    model, other = made(), made(seed=1)
    names = list(model.state_dict())
    assert not [name for name in names if name.startswith("heads.") and ".evidence." in name]
    assert sum(name.endswith("evidence.content_bias.weight") for name in names) == 1
    other.load_state_dict(model.state_dict())
    for name in model.names:
        one, another = (part.head(name).freeze().score_users(torch.arange(2)) for part in (model, other))
        assert torch.equal(one, another), name
    assert other.head("search").evidence is other.evidence


def test_the_state_inside_another_module_has_it_once_too() -> None:
    inside = torch.nn.ModuleDict({"model": made()})
    assert not [name for name in inside.state_dict() if "heads" in name and ".evidence." in name]
    torch.nn.ModuleDict({"model": made(1)}).load_state_dict(inside.state_dict())


def test_ranking_alone_is_the_fusion_model() -> None:
    model = made()
    torch.manual_seed(0)
    alone = FusionRecommender(PEOPLE, embedding_dim=8, kg_encoder=None)
    assert torch.equal(model.freeze().score_users(torch.arange(2)), alone.freeze().score_users(torch.arange(2)))


def test_search_alone_is_the_search_model() -> None:
    torch.manual_seed(0)
    model = MultiFusion(spec_with_tasks({"search": SEARCH}), embedding_dim=8, kg_encoder=None)
    torch.manual_seed(0)
    shared = FusionRecommender(PEOPLE, embedding_dim=8, kg_encoder=None)
    alone = SearchFusion(SEARCH, embedding_dim=8, fusion=shared)
    idx = torch.arange(SEARCH.n_users)
    assert torch.equal(model.freeze().score_users(idx), alone.freeze().score_users(idx))


def test_an_item_that_nobody_had_or_asked_for_can_be_found() -> None:
    kept = PEOPLE.train.item_idx != 4
    people = replace(PEOPLE, train=PEOPLE.train.take(kept.nonzero().flatten()))
    asked = replace(SEARCH, train=SEARCH.train.take((SEARCH.train.item_idx != 4).nonzero().flatten()))
    torch.manual_seed(0)
    model = MultiFusion(spec_with_tasks({"ranking": people, "search": asked}), embedding_dim=8, kg_encoder=None)
    assert not bool(model.evidence.known_items[4])
    found = model.head("search").freeze()
    assert found.score_queries(["lamp no 4"], torch.zeros(1, 16))[0].argmax() == 4


def test_unknown_heads_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"model\.heads\.serach: there is no such task; did you mean `search`"):
        MultiFusion(both(), embedding_dim=8, heads={"serach": {}})
