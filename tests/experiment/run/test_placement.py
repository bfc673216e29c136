"""mmrec.experiment.run.placement: an item that is added scores as it would as a new item of the data."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import torch

import mmrec
from mmrec.data.interactions.histories import Histories
from mmrec.data.interactions.index import Index
from mmrec.errors import ConfigError, DataError
from mmrec.experiment.evaluate import Restored
from mmrec.experiment.evidence import load_graph, load_words
from mmrec.experiment.models import Priors, make_model, spec_of
from mmrec.experiment.run.item_source import ItemContent
from mmrec.experiment.run.placement import ItemPlacer, extended_priors
from mmrec.models.multimodal.added_items import keep_scales
from mmrec.models.time.interest_decay import Decay
from mmrec.types import ITEM_ID, Features

USERS = torch.arange(20)


@pytest.fixture(scope="session")
def restored(cold_run: Path) -> Restored:
    return mmrec.open_run(cold_run, "trust_run=true").scorers.restored()


def without(restored: Restored, item: int) -> Restored:
    """The same model if an item had never been in the data: its rows are cut from all that was learned."""
    evidence, kept = restored.evidence, torch.arange(restored.spec.n_items) != item
    item_id = evidence.index.item_ids[item]
    index = Index(evidence.index.user_ids, evidence.index.item_ids.filter(pl.Series(kept.numpy())), evidence.index.events)
    entities = evidence.dataset.item_entities.filter(pl.col(ITEM_ID) != item_id)
    dataset = replace(evidence.dataset, items=evidence.dataset.items.filter(pl.col(ITEM_ID) != item_id), item_entities=entities)
    features = {name: Features(one.values[kept], one.present[kept], one.encoder) for name, one in evidence.features.items()}
    cut = replace(evidence, dataset=dataset, index=index, features=features)
    graph, _ = load_graph(restored.settings, dataset, index, evidence.inputs["text"].encoder)
    cut = replace(cut, graph=graph, words=load_words(restored.settings, dataset, index))
    place = kept.cumsum(0) - 1
    rows = replace(restored.spec.train, item_idx=place[restored.spec.train.item_idx])
    spec = spec_of(cut, rows)
    linear = restored.priors["linear"]
    linear = linear and linear._replace(items=linear.items[kept], of_items=linear.of_items[kept])
    trend = restored.priors["trend"]
    priors = Priors(linear=linear, trend=None if trend is None else trend[kept])
    model = make_model(restored.training.model, spec, priors, restored.training.seed)
    model.load_state_dict({name: _cut(name, value, kept, model) for name, value in restored.model.state_dict().items()})
    return restored._replace(evidence=cut, spec=spec, priors=priors, model=model)


def _cut(name: str, value: torch.Tensor, kept: torch.Tensor, model: torch.nn.Module) -> torch.Tensor:
    n = len(model.state_dict()[name]) if value.ndim else 0
    if value.ndim == 0 or n == len(value):
        return value
    assert len(value) - n == 1
    n_before = len(value) - len(kept)  # users precede items among the nodes of a graph
    return value[torch.cat([torch.ones(n_before, dtype=torch.bool), kept])]


def content_of(restored: Restored, item: int, pictures: Path) -> ItemContent:
    row = restored.evidence.dataset.items.filter(pl.col(ITEM_ID) == restored.evidence.index.item_ids[item]).row(0, named=True)
    picture = (pictures / row["image"]).read_bytes() if row["image"] else None
    fields = {name: value for name, value in row.items() if name != ITEM_ID and value is not None}
    entities = dict(restored.evidence.dataset.item_entities.iter_rows())
    return ItemContent(row[ITEM_ID], fields, picture, entity=entities.get(row[ITEM_ID]))


@pytest.mark.slow
def test_an_added_item_scores_as_a_new_item_of_the_data(restored: Restored, shop_folder: Path) -> None:
    new = (torch.bincount(restored.spec.train.item_idx, minlength=restored.spec.n_items) == 0).nonzero().flatten().tolist()
    assert len(new) > 2
    for item in new[:2]:
        cut = without(restored, item)
        placed = ItemPlacer(cut).place([content_of(restored, item, shop_folder)])
        assert placed.evidence.index.item_ids[-1] == restored.evidence.index.item_ids[item]
        order = restored.evidence.index.item_idx(placed.evidence.index.item_ids)
        whole = restored.remade(restored.spec)
        keep_scales(whole, cut.spec, restored.spec)  # an added item does not change how features are scaled
        wanted = whole.freeze().score_users(USERS)[:, order]
        found = placed.model.freeze().score_users(USERS)
        assert torch.allclose(found, wanted, atol=1e-5), (found - wanted).abs().max()
        before = cut.model.freeze().score_users(USERS)
        assert before.shape[1] == found.shape[1] - 1


@pytest.mark.slow
def test_items_are_placed_as_if_the_model_were_made_again(restored: Restored, shop_folder: Path) -> None:
    """One by one, with a word and a relation that one other item has; then one whose content is another item's; then a changed item."""
    placer, picture = ItemPlacer(restored), (shop_folder / "i3.jpg").read_bytes()
    items = [
        ItemContent("x", {"title": "lamp no 3", "genre": "lamp"}, triples=[("of_kind", "kind0")]),
        ItemContent("y", {"title": "unheard of 3 lamp", "description": "warm seat 6"}, picture),
        ItemContent("z", {"title": "chair no 21"}, entity=restored.evidence.graph.entities[0]),
        ItemContent("i5", {"title": "another chair", "genre": "chair"}, picture),
        ItemContent("w", {"title": "unheard of", "genre": "of glass"}),
    ]
    placer.prepare()
    for n in range(1, len(items) + 1):
        found, wanted = placer.place(items[:n]), placer.made_again(items[:n])
        assert found.evidence.index.item_ids.equals(wanted.evidence.index.item_ids)
        scores = found.model.freeze().score_users(USERS)
        torch.testing.assert_close(scores, wanted.model.freeze().score_users(USERS), atol=2e-5, rtol=1e-4)
        history = Histories.from_lists([[0, 1], [2]])
        of_histories = found.model.freeze().score_histories(history)
        torch.testing.assert_close(of_histories, wanted.model.freeze().score_histories(history), atol=2e-5, rtol=1e-4)
        assert scores.shape[1] == 40 + n - (n > 3)
    without = found.model.freeze(["text"]).score_users(USERS)
    torch.testing.assert_close(without, wanted.model.freeze(["text"]).score_users(USERS), atol=2e-5, rtol=1e-4)


def test_half_lives_of_items_are_those_of_all_for_added_items(restored: Restored) -> None:
    decay = Decay("power", 6.0, False, torch.ones(2).double(), torch.tensor([3.0, 4.0]).double(), 5.0)
    found = extended_priors(Priors(linear=None, trend=torch.tensor([2.0, 1.0]), time=decay), 4)
    assert found["time"].of_items.tolist() == [3.0, 4.0, 5.0, 5.0] and found["trend"].tolist() == [2.0, 1.0, 1.0, 1.0]
    assert extended_priors(Priors(linear=None, trend=None, time=None), 4)["time"] is None


def test_content_that_is_none_is_refused_by_name(restored: Restored) -> None:
    placer = ItemPlacer(restored)
    with pytest.raises(DataError, match="fields: the items have no column `titel`; did you mean `title`"):
        placer.check(ItemContent("new", {"titel": "lamp"}))
    with pytest.raises(DataError, match="triples: the graph has no relation `of_kin`; did you mean `of_kind`"):
        placer.check(ItemContent("new", {"title": "lamp"}, triples=[("of_kin", "kind0")]))
    with pytest.raises(DataError, match="picture: it cannot be used"):
        placer.check(ItemContent("new", picture=b"no picture"))
    with pytest.raises(ConfigError, match="item `new` has none of the content that the model reads: text, image, kg"):
        placer.check(ItemContent("new"))
    with pytest.raises(DataError, match="entity: the graph has no entity `e100`"):
        placer.check(ItemContent("new", {"title": "lamp"}, entity="e100"))
    assert placer.check(ItemContent("new", {"title": "warm lamp"}, triples=[("of_kind", "kind0")])) == ("text", "kg")


def test_a_model_that_reads_no_content_says_so(restored: Restored, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(restored.model), "ranks_new_items", False)
    with pytest.raises(ConfigError, match="ranks only items with interactions"):
        ItemPlacer(restored)
