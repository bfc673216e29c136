"""mmrec.rerank.chain: candidates by score, one scale, several methods in turn, and what is refused."""

import pytest
import torch

from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.errors import ConfigError
from mmrec.rerank import DPP, MMR, Calibrated, Capped, ItemCategories, Reranker, XQuAD, rerank_scores
from mmrec.rerank.similarity import graph_features, unit_vectors
from mmrec.types import Graph

N_ITEMS = 6
SCORES = torch.tensor([[6.0, 5.0, 4.0, 3.0, 2.0, 1.0], [1.0, 2.0, 3.0, 4.0, 5.0, -torch.inf]])
NOTHING = InteractionMatrix.from_pairs(torch.tensor([], dtype=torch.int64), torch.tensor([], dtype=torch.int64), 2, N_ITEMS)


class Content:
    """Pairs of items that are equal and of one category: 0 and 1, 2 and 3, 4 and 5."""

    def vectors(self, similarity: str) -> torch.Tensor:
        return torch.eye(3)[[0, 0, 1, 1, 2, 2]]

    def categories(self, column: str) -> ItemCategories:
        return ItemCategories.from_pairs(("a", "b", "c"), torch.arange(6), torch.tensor([0, 0, 1, 1, 2, 2]), N_ITEMS)


def best(rerankers: Reranker | list[Reranker], k: int) -> list[list[int]]:
    values, items = rerank_scores(rerankers, SCORES, NOTHING, Content(), k)
    assert torch.equal(values.isfinite(), values > -torch.inf)
    assert torch.equal(SCORES.gather(1, items)[values.isfinite()], values[values.isfinite()])
    return [row[there].tolist() for row, there in zip(items, values.isfinite(), strict=True)]


@pytest.mark.parametrize("reranker", [MMR(0.0), DPP(0.0), Calibrated(trade_off=0.0), XQuAD(trade_off=0.0), Capped(at_most=6)])
def test_at_the_relevance_end_lists_are_unchanged(reranker: Reranker) -> None:
    assert best(reranker, 4) == [[0, 1, 2, 3], [4, 3, 2, 1]]


@pytest.mark.parametrize("reranker", [MMR(0.7), DPP(0.7), Capped(at_most=1)])
def test_lists_begin_with_the_best_of_each_kind(reranker: Reranker) -> None:
    assert best(reranker, 3) == [[0, 2, 4], [4, 3, 1]]


def test_lists_have_all_candidates_if_there_are_fewer_than_k() -> None:
    assert [sorted(one) for one in best(DPP(0.5), 6)] == [[0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4]]
    assert [sorted(one) for one in best(MMR(0.5, candidates=2), 10)] == [[0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4]]


def test_only_the_candidates_are_considered() -> None:
    assert best(MMR(1.0, candidates=2), 2) == [[0, 1], [4, 3]]
    assert best(MMR(1.0, candidates=3), 2) == [[0, 2], [4, 3]]


def test_a_method_takes_the_list_of_the_one_before() -> None:
    assert best([DPP(0.7), Capped(at_most=6)], 3) == best(DPP(0.7), 3)
    assert best([Capped(at_most=1), MMR(0.0)], 6) == [[0, 2, 4], [4, 3, 1]]


def test_scores_of_any_scale_give_the_same_lists() -> None:
    items = rerank_scores(MMR(0.4), SCORES * 1000 - 7, NOTHING, Content(), 4)[1]
    assert torch.equal(items, rerank_scores(MMR(0.4), SCORES, NOTHING, Content(), 4)[1])


@pytest.mark.parametrize("made", [MMR, DPP, Calibrated, XQuAD])
def test_trade_offs_are_shares(made: type) -> None:
    for wrong in (-0.1, 1.5, float("nan")):
        with pytest.raises(ConfigError, match=r"trade_off: expected a number from 0 to 1, found"):
            made(trade_off=wrong)
    with pytest.raises(ConfigError, match="candidates: expected at least 1, found 0"):
        made(candidates=0)


def test_a_missing_item_is_neither_like_nor_unlike_others() -> None:
    values = torch.tensor([[2.0, 0.0], [0.0, 3.0], [9.0, 9.0], [0.0, 0.0]])
    units = unit_vectors(values, torch.tensor([True, True, False, True]))
    assert units.tolist() == [[1, 0], [0, 1], [0.5, 0.5], [0.5, 0.5]]


def test_neighbours_in_a_graph_say_which_items_are_alike() -> None:
    """Entities 0 to 2 are items 0 to 2, and item 3 is entity 0 too; 0 and 1 have a common neighbour, 2 another, item 4 is outside."""
    graph = Graph(torch.tensor([[0, 1, 2], [3, 3, 4]]), torch.tensor([0, 0, 0]), 5, 1, torch.tensor([0, 1, 2, 0, -1]))
    found = graph_features(graph, 5)
    units = unit_vectors(found.values, found.present)
    assert found.present.tolist() == [True, True, True, True, False]
    expected = torch.tensor([[1.0, 1, 0, 1], [1, 1, 0, 1], [0, 0, 1, 0], [1, 1, 0, 1]])
    torch.testing.assert_close((units @ units.T)[:4, :4], expected, atol=1e-5, rtol=0)
