"""mmrec.models.inner_products by hand: scores of pools and pairs, the squared lengths, and users nobody has seen."""

import pytest
import torch

from mmrec.data.sample import TrainBatch
from mmrec.models.inner_products import freeze_vectors, score_pairs

USERS = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 1.0]])
ITEMS = torch.tensor([[1.0, 1.0], [2.0, 0.0], [0.0, 3.0], [1.0, -1.0]])


@pytest.mark.parametrize(
    ("negatives", "expected", "squares"),
    [
        (torch.tensor([3, 2, 0]), [[2.0, 3.0, 4.0], [-2.0, 6.0, 2.0]], 2 + 9 + 2),
        (torch.tensor([[3, 2], [0, 3]]), [[2.0, 3.0], [2.0, -2.0]], 2 + 9 + 2 + 2),
    ],
)
def test_scores_and_lengths_by_hand(negatives: torch.Tensor, expected: list[list[float]], squares: float) -> None:
    """User 2 with items 0 and 1, user 1 with item 2."""
    valid = torch.ones(2, negatives.shape[-1], dtype=torch.bool)
    positions = torch.tensor([2, 1]), torch.tensor([0, 0, 1]), torch.tensor([0, 1, 2])
    scores = score_pairs(USERS, ITEMS, TrainBatch(*positions, negatives, valid, torch.zeros(3), torch.tensor(1.0)), regularization=0.6)
    assert scores.positive.tolist() == [4.0, 6.0, 6.0] and scores.negative.tolist() == expected
    assert float(scores.extra) == pytest.approx(0.3 * (10 + 4 + 2 + 4 + 9 + squares) / 3)


def test_a_user_nobody_has_seen_is_the_average_one() -> None:
    scorer = freeze_vectors(USERS, ITEMS, torch.tensor([True, False, True]))
    assert scorer.users.tolist() == [[1.0, 0.0], [2.0, 0.5], [3.0, 1.0]] and scorer.attention.shape == (4, 0)
