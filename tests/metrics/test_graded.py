"""mmrec.metrics.graded: hand-worked values, equal to the binary nDCG for grades of one, and what a duplicate counts."""

import math

import pytest
import torch

from mmrec.metrics.graded import grade_pairs, graded_ndcg, linear, look_up_grades, pad_grades
from mmrec.metrics.ranking import ndcg
from tests.metrics.gains import exponential

D2, D3 = 1 / math.log2(3), 1 / math.log2(4)
RANKED = torch.tensor([[0.0, 3.0, 1.0], [5.0, 0.0, 0.0]])
IDEAL = torch.tensor([[1.0, 3.0, 2.0], [0.0, 5.0, 0.0]])


@pytest.mark.parametrize(
    ("k", "gain", "expected"),
    [
        (1, linear, [0, 1]),
        (2, linear, [3 * D2 / (3 + 2 * D2), 1]),
        (3, linear, [(3 * D2 + D3) / (3 + 2 * D2 + D3), 1]),
        (9, linear, [(3 * D2 + D3) / (3 + 2 * D2 + D3), 1]),
        (2, exponential, [7 * D2 / (7 + 3 * D2), 1]),
        (3, exponential, [(7 * D2 + D3) / (7 + 3 * D2 + D3), 1]),
    ],
)
def test_by_hand(k: int, gain: object, expected: list[float]) -> None:
    assert graded_ndcg(RANKED, IDEAL, k, gain).tolist() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("gain", [linear, exponential])
@pytest.mark.parametrize("k", [1, 2, 4, 9])
def test_grades_of_one_are_the_binary_ndcg(gain: object, k: int) -> None:
    relevance = torch.rand(200, 6, generator=torch.Generator().manual_seed(0)) < 0.4
    n_positives = relevance.sum(dim=1) + torch.arange(200) % 3 + 1
    ideal = (torch.arange(9) < n_positives[:, None]).float()
    torch.testing.assert_close(graded_ndcg(relevance.float(), ideal, k, gain), ndcg(relevance, n_positives, k))


def test_the_greatest_grade_of_a_duplicate_counts_in_any_order() -> None:
    users, items, grades = torch.tensor([1, 0, 1, 1]), torch.tensor([2, 0, 2, 1]), torch.tensor([2.0, 1.0, 4.0, 3.0])
    for order in (torch.arange(4), torch.tensor([2, 3, 0, 1])):
        matrix, values = grade_pairs(users[order], items[order], grades[order], n_users=2, n_items=3)
        assert matrix.degree.tolist() == [1, 2]
        assert values.tolist() == [1.0, 3.0, 4.0]


def test_looked_up_for_the_right_user_and_never_for_an_empty_place() -> None:
    """Place −1 of user 1 has the key of user 0's last item."""
    matrix, grades = grade_pairs(torch.tensor([0, 1]), torch.tensor([2, 0]), torch.tensor([5.0, 2.0]), n_users=2, n_items=3)
    found = look_up_grades(torch.tensor([1, 0]), torch.tensor([[0, 2, -1], [0, 2, -1]]), matrix, grades)
    assert found.tolist() == [[2, 0, 0], [0, 5, 0]]
    assert pad_grades(torch.tensor([1, 0, 1]), matrix, grades).tolist() == [[2], [5], [2]]


def test_no_users_no_values() -> None:
    nobody, nothing = torch.empty(0, dtype=torch.int64), torch.empty(0)
    matrix, grades = grade_pairs(nobody, nobody, nothing, n_users=2, n_items=3)
    ideal = pad_grades(nobody, matrix, grades)
    assert graded_ndcg(look_up_grades(nobody, torch.empty(0, 2, dtype=torch.int64), matrix, grades), ideal, 2).shape == (0,)
