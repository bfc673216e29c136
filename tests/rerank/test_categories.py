"""mmrec.rerank: calibration, xQuAD and caps by the categories of items, against their definitions."""

import polars as pl
import pytest
import torch

from mmrec.data.interactions.index import Index
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.metrics.beyond_accuracy import calibration
from mmrec.rerank import Calibrated, Capped, ItemCategories, Pool, XQuAD

N_ITEMS, K = 12, 5


class Content:
    """Items of which the last has no category."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        self.pairs = torch.stack([torch.arange(N_ITEMS - 1).repeat(2), torch.randint(3, (2 * (N_ITEMS - 1),), generator=generator)])
        item, category = self.pairs.unique(dim=1)
        self.known = ItemCategories.from_pairs(("a", "b", "c"), item, category, N_ITEMS)

    def vectors(self, similarity: str) -> torch.Tensor:
        raise AssertionError("no vectors are needed")

    def categories(self, column: str) -> ItemCategories:
        assert column == "genre"
        return self.known


@pytest.fixture
def content() -> Content:
    return Content()


@pytest.fixture
def pool() -> Pool:
    """All items for three users with different histories, and for one without."""
    generator = torch.Generator().manual_seed(1)
    items = torch.stack([torch.randperm(N_ITEMS, generator=generator) for _ in range(4)])
    relevance = torch.rand(4, N_ITEMS, generator=generator).double().sort(dim=1, descending=True).values
    history = InteractionMatrix.from_pairs(torch.tensor([0, 0, 0, 1, 1, 2]), torch.tensor([0, 1, 2, 3, 4, 5]), 4, N_ITEMS)
    return Pool(items, relevance, history)


def divergence(pool: Pool, user: int, positions: list[int], known: ItemCategories) -> float:
    lists = pool.item_idx[user, positions][None]
    return float(calibration(lists, torch.tensor([user]), pool.history, known.dense()).nan_to_num(99.0))


def test_calibration_is_the_greedy_rule_with_the_divergence_that_is_measured(pool: Pool, content: Content) -> None:
    """As soon as a list holds an item of a known category, for without one the measure is undefined."""
    found = Calibrated("genre", trade_off=0.6, candidates=N_ITEMS).order(pool, content, K)
    for user in range(3):
        for place in range(1, K):
            chosen = found[user, :place].tolist()
            if not any(content.known.shares[pool.item_idx[user, one]].sum() > 0 for one in chosen):
                continue
            rest = [i for i in range(N_ITEMS) if i not in chosen]
            gains = {i: 0.4 * float(pool.relevance[user, i]) - 0.6 * divergence(pool, user, [*chosen, i], content.known) for i in rest}
            assert int(found[user, place]) == max(gains, key=lambda i: gains[i])


def test_lists_become_calibrated(pool: Pool, content: Content) -> None:
    found = {share: Calibrated("genre", share, N_ITEMS).order(pool, content, K) for share in (0.0, 0.99)}
    for user in range(3):
        before, after = (divergence(pool, user, found[share][user].tolist(), content.known) for share in (0.0, 0.99))
        assert after < before


@pytest.mark.parametrize("method", [Calibrated, XQuAD])
def test_without_weight_or_history_the_list_is_unchanged(method: type, pool: Pool, content: Content) -> None:
    first = list(range(K))
    assert method("genre", trade_off=0.0, candidates=N_ITEMS).order(pool, content, K).tolist() == [first] * 4
    assert method("genre", trade_off=0.7, candidates=N_ITEMS).order(pool, content, K)[3].tolist() == first


def test_xquad_is_the_greedy_rule_by_hand(pool: Pool, content: Content) -> None:
    found = XQuAD("genre", trade_off=0.5, candidates=N_ITEMS).order(pool, content, K)
    shares, taste = content.known.dense(), content.known.taste(pool.history)
    for user in range(4):
        chosen, uncovered = list[int](), torch.ones(3).double()
        for _ in range(K):
            of = shares[pool.item_idx[user]]
            gains = 0.5 * pool.relevance[user] + 0.5 * (taste[user] * uncovered * of).sum(dim=1)
            gains[chosen] = -1
            chosen.append(int(gains.argmax()))
            uncovered *= 1 - of[chosen[-1]]
        assert found[user].tolist() == chosen


def test_a_cap_holds_for_every_category_and_a_list_may_end_early(pool: Pool, content: Content) -> None:
    for at_most in (1, 2):
        found = Capped("genre", at_most=at_most, candidates=N_ITEMS).order(pool, content, N_ITEMS)
        for user in range(4):
            chosen = [one for one in found[user].tolist() if one >= 0]
            counts = (content.known.dense()[pool.item_idx[user, chosen]] > 0).sum(dim=0)
            assert chosen == sorted(chosen) and int(counts.max()) <= at_most and len(chosen) < N_ITEMS
            left = [i for i in range(N_ITEMS) if i not in chosen]
            full = counts >= at_most
            assert all(bool((full & (content.known.dense()[pool.item_idx[user, i]] > 0)).any()) for i in left)


def test_categories_of_a_column_are_its_values(content: Content) -> None:
    items = pl.DataFrame({"item_id": ["a", "b", "c"], "genre": ["x, y", None, "y"], "size": [[1], [2], []]})
    index = Index(pl.Series("user_id", ["u"]), pl.Series("item_id", ["c", "b", "a"]))
    found = ItemCategories.of_column(items, "genre", ", ", index)
    assert found.names == ("x", "y") and found.dense().tolist() == [[0, 1], [0, 0], [0.5, 0.5]]
    assert ItemCategories.of_column(items, "size", ", ", index).dense().tolist() == [[0, 0], [0, 1], [1, 0]]
    one = InteractionMatrix.from_pairs(torch.tensor([0, 0]), torch.tensor([0, 2]), 1, 3)
    assert found.taste(one).tolist() == [[0.25, 0.75]]
