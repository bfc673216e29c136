"""Average vectors for new users; the regression finds a linear rule, and vectors for histories by it."""

import torch

from mmrec.data.interactions.histories import Histories
from mmrec.models.fold_in import FoldInByRegression, mean_for_new, occurring, sums_of_items
from mmrec.types import Interactions
from tests.parts import drawn, make_matrix

USERS = drawn(3, 4, seed=3)


def test_a_new_user_is_the_average_one() -> None:
    known = occurring(torch.tensor([2, 0, 2]), 3)
    assert known.tolist() == [True, False, True]
    torch.testing.assert_close(mean_for_new(USERS, known), torch.stack([USERS[0], (USERS[0] + USERS[2]) / 2, USERS[2]]))


def test_sums_of_items_by_hand() -> None:
    items = torch.eye(3)
    assert sums_of_items(make_matrix([(0, 0), (0, 2), (2, 1)], 3, 3), items).tolist() == [[1, 0, 1], [0, 0, 0], [0, 1, 0]]


def test_a_linear_rule_from_items_to_users_is_found() -> None:
    """Users are their items' mean times a matrix, plus a constant: so is whoever comes later."""
    items, rule, constant = drawn(30, 4, seed=0), drawn(4, 4, seed=1), drawn(4, seed=2)
    owned = torch.rand(200, 30, generator=torch.Generator().manual_seed(3)) < 0.2
    owned[-1] = False

    def by_rule(rows: torch.Tensor) -> torch.Tensor:
        return rows.float() @ items / rows.sum(dim=1, keepdim=True).clamp(min=1) @ rule + constant

    users = by_rule(owned)
    fold_in = FoldInByRegression(users, items, Interactions(*owned.nonzero().unbind(1)))
    found = fold_in(Histories.from_lists([[4, 7, 7, 20], [], [0]]))
    asked = torch.zeros(3, 30, dtype=torch.bool)
    asked[0, [4, 7, 20]], asked[2, 0] = True, True
    torch.testing.assert_close(found[[0, 2]], by_rule(asked)[[0, 2]], atol=0.05, rtol=0.05)
    torch.testing.assert_close(found[1], users[owned.any(dim=1)].mean(dim=0))
