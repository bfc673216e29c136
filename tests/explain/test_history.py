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
        assert len(found.removed) == min(sizes), "a smaller set would do"


def test_effects_are_what_the_lead_loses_in_deviations_and_an_item_outside_the_list_needs_nothing_removed() -> None:
    likeness = torch.zeros(N_ITEMS, N_ITEMS)
    likeness[0, 5], likeness[1, 5], likeness[0, [6, 7, 8]] = 2.0, 1.0, 0.5
    excluded = torch.zeros(N_ITEMS, dtype=torch.bool)
    excluded[:2] = True
    found = explain_by_history(SumScorer(likeness), [0, 1], 5, excluded, 3)
    leads = {  # the score over the mean of 12 items, in deviations
        kept: (scores[5] - scores.mean()) / scores.std(correction=0)
        for kept, scores in {"both": likeness[0] + likeness[1], "without 0": likeness[1], "without 1": likeness[0]}.items()
    }
    assert [one for one, _ in found.effects] == sorted((0, 1), key=lambda one: leads[f"without {one}"])
    for item, effect in found.effects:
        assert effect == pytest.approx(float(leads["both"] - leads[f"without {item}"]), abs=1e-5)
    outside = explain_by_history(SumScorer(likeness), [0, 1], 9, excluded, 3)
    assert outside.removed == () and outside.replacement is None


def test_with_clearance_the_item_falls_as_far_below_the_list() -> None:
    scorer = SumScorer(torch.rand(N_ITEMS, N_ITEMS, generator=torch.Generator().manual_seed(3)))
    history, excluded = [0, 1, 2, 3, 4], torch.zeros(N_ITEMS, dtype=torch.bool)
    excluded[history] = True
    n_found = 0
    for item in list_of(scorer, history, excluded):
        near, far = (explain_by_history(scorer, history, item, excluded, K, clearance=one) for one in (0.0, 0.5))
        if not far.removed:
            continue
        n_found += 1
        assert len(far.removed) >= len(near.removed)
        kept = [one for one in history if one not in far.removed]
        scores = scorer.score_histories(Histories.from_lists([kept]))[0]
        last = scores.masked_fill(excluded, -torch.inf).topk(K).values[-1]
        assert float((last - scores[item]) / scores.std(correction=0)) > 0.5
    assert n_found
    with pytest.raises(ValueError, match="clearance: expected at least 0, found -1"):
        explain_by_history(scorer, history, 5, excluded, K, clearance=-1)
