"""The smallest part of a history: against all subsets, on a scorer whose scores are sums over the history."""

from itertools import combinations

import pytest
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmrec.data.interactions.histories import Histories
from mmrec.explain.history import explain_by_history
from mmrec.models.recommender import FrozenScorer, TrainedScorer

N_ITEMS, K = 12, 3


class SumScorer(TrainedScorer):
    """The score of an item is the sum of its likeness to the items of the history."""

    def __init__(self, likeness: Float[Tensor, "n_items n_items"]) -> None:
        self.likeness = likeness

    def score_users(self, user_idx: Int64[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
        raise NotImplementedError

    def score_histories(self, histories: Histories) -> Float[Tensor, "n_users n_items"]:
        owned = histories.matrix(N_ITEMS)
        user, item = owned.rows(torch.arange(owned.n_users))
        return torch.zeros(owned.n_users, N_ITEMS).index_add_(0, user, self.likeness[item])

    def vectors(self) -> FrozenScorer | None:
        return None


def list_of(scorer: SumScorer, history: list[int], excluded: Tensor) -> list[int]:
    scores = scorer.score_histories(Histories.from_lists([history]))[0].masked_fill(excluded, -torch.inf)
    return scores.topk(K).indices.tolist()


@pytest.mark.parametrize("seed", range(8))
def test_without_it_the_item_drops_out_and_with_any_less_it_does_not(seed: int) -> None:
    scorer = SumScorer(torch.rand(N_ITEMS, N_ITEMS, generator=torch.Generator().manual_seed(seed)))
    history, excluded = [0, 1, 2, 3, 4], torch.zeros(N_ITEMS, dtype=torch.bool)
    excluded[history] = True
    before = list_of(scorer, history, excluded)
    for item in before:
        found = explain_by_history(scorer, history, item, excluded, K)
        sizes = [
            size
            for size in range(1, len(history))
            for gone in combinations(history, size)
            if item not in list_of(scorer, [one for one in history if one not in gone], excluded)
        ]
        if not found.removed:
            assert not sizes or min(sizes) > 1
            continue
        after = list_of(scorer, [one for one in history if one not in found.removed], excluded)
        assert item not in after and found.replacement in set(after) - set(before)
        for put_back in found.removed[:-1]:
            fewer = [one for one in found.removed if one != put_back]
            assert item in list_of(scorer, [one for one in history if one not in fewer], excluded)
        assert len(found.removed) == 1 or min(sizes) > 1, "one item would do"


def test_effects_are_what_the_lead_loses_and_an_item_outside_the_list_needs_nothing_removed() -> None:
    likeness = torch.zeros(N_ITEMS, N_ITEMS)
    likeness[0, 5], likeness[1, 5], likeness[0, [6, 7, 8]] = 2.0, 1.0, 0.5
    excluded = torch.zeros(N_ITEMS, dtype=torch.bool)
    excluded[:2] = True
    found = explain_by_history(SumScorer(likeness), [0, 1], 5, excluded, 3)
    assert found.effects == ((0, 1.5), (1, 1.0))  # 3 - .5, without 0: 1 - 0, without 1: 2 - .5
    outside = explain_by_history(SumScorer(likeness), [0, 1], 9, excluded, 3)
    assert outside.removed == () and outside.replacement is None
