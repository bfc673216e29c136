"""What lists are like: hand-worked on four items and two users, and left out where it is undefined."""

import math

import pytest
import torch

from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.evaluation.measure.item_groups import make_item_groups
from mmrec.evaluation.measure.list_quality import describe_lists
from mmrec.metrics.full_ranking import Ranking
from mmrec.types import Features

N_USERS, N_ITEMS = 4, 4
TRAIN = InteractionMatrix.from_pairs(torch.tensor([0, 1, 2, 3, 0, 1]), torch.tensor([0, 0, 0, 0, 1, 2]), N_USERS, N_ITEMS)
POSITIVES = InteractionMatrix.from_pairs(torch.tensor([2, 3]), torch.tensor([1, 3]), N_USERS, N_ITEMS)
RANKING = Ranking(torch.tensor([2, 3]), torch.tensor([[1, 2, 0], [1, 3, 0]]), torch.tensor([[3.0, 2.0, 1.0]] * 2))


GROUPS = make_item_groups(TRAIN)


def describe(
    ranking: Ranking = RANKING, present: tuple[bool, ...] = (True,) * 4, expected: list[list[int]] | None = None
) -> dict[str, float]:
    vectors = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    features = {"text": Features(vectors, torch.tensor(present))}
    return describe_lists(ranking, TRAIN, POSITIVES, features, None if expected is None else torch.tensor(expected), GROUPS, k=2)


def test_by_hand() -> None:
    """Exposure 0, 2, 1, 1 of items with 4, 1, 1, 0 users; the vectors of the first list are orthogonal, of the second equal."""
    found = describe(expected=[[0, 1, 2], [0, 1, 2]])
    assert found == pytest.approx(
        {
            "coverage@2": 3 / 4,
            "gini@2": (-1 * 1 + 1 * 1 + 3 * 2) / 4 / 3,
            "novelty@2": 2.0,  # every item shown has one user of four, or counts as if
            "popularity@2": (1.0 + 0.5) / 2,
            "tail_share@2": (0.5 + 0.5) / 2,  # the head: items 0 and 1, the first of the equals
            "distance_text@2": (1.0 + 0.0) / 2,
            "miscalibration@2": math.log(100),  # both had item 0 alone, of the head, and are shown the tail and a cold one: the worst
            "serendipity@2": (0.0 + 0.5) / 2,  # item 1 is right for the first user and expected, item 3 for the second and not
        }
    )


def test_only_the_first_k_count() -> None:
    longer = Ranking(RANKING.user_idx, torch.tensor([[1, 2, 3], [1, 3, 2]]), RANKING.scores)
    assert describe(longer, expected=[[0, 1, 3], [0, 1, 3]]) == describe(expected=[[0, 1, 2], [0, 1, 2]])


def test_what_is_undefined_is_left_out() -> None:
    found = describe(present=(False,) * 4)
    assert "distance_text@2" not in found and "serendipity@2" not in found and len(found) == 6
