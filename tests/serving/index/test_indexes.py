"""mmrec.serving.index: the exact index against a sort, the approximate one against the exact one, filters that few items pass."""

from functools import partial

import pytest
import torch

from mmrec.errors import ConfigError
from mmrec.serving.index.choice import choose_index, compare
from mmrec.serving.index.exact import ExactIndex
from mmrec.serving.index.extended_index import ExtendedIndex, extend_index
from mmrec.serving.index.item_index import ItemIndex
from mmrec.serving.index.usearch_index import UsearchIndex

N_ITEMS, DIM = 2000, 16
NOTHING = torch.zeros(0, dtype=torch.int64)


def vectors(n: int, seed: int) -> torch.Tensor:
    return torch.randn(n, DIM, generator=torch.Generator().manual_seed(seed)) * torch.linspace(0.5, 2, n)[:, None]


def extended(items: torch.Tensor) -> ItemIndex:
    """An index of fewer items, of which some had other vectors."""
    before = items[:-100].clone()
    before[5:50] *= 2
    found = extend_index(ExactIndex(before), before, items)
    assert isinstance(found, ExtendedIndex)
    return found


@pytest.fixture(params=[ExactIndex, partial(UsearchIndex, threads=1), extended])  # several threads build another graph each time
def index(request: pytest.FixtureRequest) -> ItemIndex:
    return request.param(vectors(N_ITEMS, 0))


def test_the_best_in_order_without_those_excluded(index: ItemIndex) -> None:
    items, user = vectors(N_ITEMS, 0), vectors(1, 1)[0]
    order = (items @ user).argsort(descending=True)
    scores, found = index.search(user, 10, order[:5])
    assert found.tolist() == order[5:15].tolist()
    assert torch.allclose(scores, (items @ user)[order[5:15]])


@pytest.mark.parametrize("n_allowed", [0, 1, 7, 500])
def test_a_filter_is_filled_up(index: ItemIndex, n_allowed: int) -> None:
    items, user = vectors(N_ITEMS, 0), vectors(1, 2)[0]
    allowed = torch.zeros(N_ITEMS, dtype=torch.bool)
    allowed[(items @ user).argsort()[:n_allowed]] = True  # those farthest away
    _, found = index.search(user, 5, NOTHING, allowed)
    best = [idx for idx in (items @ user).argsort(descending=True).tolist() if allowed[idx]]
    assert found.tolist() == best[:5]


def test_more_than_there_are(index: ItemIndex) -> None:
    scores, found = index.search(vectors(1, 3)[0], 2 * N_ITEMS, torch.arange(10))
    assert len(found) == N_ITEMS - 10 and set(found.tolist()) == set(range(10, N_ITEMS)) and (scores.diff() <= 0).all()


def test_ties_are_in_the_order_of_the_items() -> None:
    _, found = ExactIndex(torch.ones(6, 2)).search(torch.ones(2), 3, torch.tensor([1]))
    assert found.tolist() == [0, 2, 3]


def test_an_approximate_index_finds_nearly_all() -> None:
    items = vectors(N_ITEMS, 0)
    recall, _ = compare(UsearchIndex(items, threads=1), ExactIndex(items), vectors(16, 4))
    assert recall > 0.99


def test_the_size_decides_unless_a_name_does(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    items = vectors(200, 0)
    assert isinstance(choose_index("auto", items, items), ExactIndex)
    monkeypatch.setattr("mmrec.serving.index.choice.MANY_ITEMS", 100)
    with caplog.at_level("INFO", "mmrec"):
        assert isinstance(choose_index("auto", items, items), UsearchIndex)
    assert "recall@100 1.000" in caplog.text
    with pytest.raises(ConfigError, match="index: expected auto, exact, usearch, found `exct`; did you mean `exact`"):
        choose_index("exct", items, items)


def test_an_index_is_built_again_if_many_items_change() -> None:
    items = vectors(N_ITEMS, 0)
    index = ExactIndex(items)
    assert extend_index(index, items, torch.cat([items, vectors(N_ITEMS, 1)])) is None
    assert extend_index(index, items, items[:, :4]) is None
    assert extend_index(index, items, items + 1e-3) is None


def test_equal_scores_are_in_the_order_of_the_items_wherever_they_are() -> None:
    items = torch.ones(40, 2)
    index = ExtendedIndex(ExactIndex(items[:38]), items, torch.tensor([3, 38, 39]))
    assert index.search(torch.ones(2), 6, torch.tensor([0, 39]))[1].tolist() == [1, 2, 3, 4, 5, 6]
    allowed = torch.zeros(40, dtype=torch.bool)
    allowed[[2, 3, 38]] = True
    assert index.search(torch.ones(2), 6, NOTHING, allowed)[1].tolist() == [2, 3, 38]
