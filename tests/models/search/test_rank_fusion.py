"""mmrec.models.search.rank_fusion: by hand, and what a weight of 0 or 1 means."""

import torch

from mmrec.models.search.rank_fusion import fuse_ranks, rank_items

SCORES = torch.tensor([[3.0, 1.0, 2.0, 1.0]])
WORDS = torch.tensor([[0.0, 5.0, 0.0, 7.0]])


def test_ranks_begin_at_one_and_ties_follow_the_order_of_items() -> None:
    assert rank_items(SCORES).tolist() == [[1, 3, 2, 4]]


def test_the_ends_are_the_two_rankings() -> None:
    ranks = rank_items(SCORES), rank_items(WORDS), WORDS > 0
    assert fuse_ranks(*ranks, weight=0.0, constant=60.0).argsort(descending=True, stable=True).tolist() == [[0, 2, 1, 3]]
    alone = fuse_ranks(*ranks, weight=1.0, constant=60.0)
    assert alone.argmax() == 3 and alone[0, 0] == alone[0, 2] == 0  # without a word in common


def test_by_hand() -> None:
    fused = fuse_ranks(rank_items(SCORES), rank_items(WORDS), WORDS > 0, weight=0.25, constant=1.0)
    torch.testing.assert_close(fused, torch.tensor([[0.75 / 2, 0.75 / 4 + 0.25 / 3, 0.75 / 3, 0.75 / 5 + 0.25 / 2]]))
