"""What an attacker wants, by hand."""

import math

import torch

from mmrec.nn.attacks.goal import attack_goal, least_popular, list_thresholds


def softplus(x: float) -> float:
    return math.log1p(math.exp(x))


def test_items_are_to_enter_the_lists_of_some_and_leave_those_of_others() -> None:
    scores, threshold = torch.tensor([[2.0], [0.5], [-1.0]]), torch.tensor([1.0, 1.0, 0.0])
    interacted = torch.tensor([[True], [False], [False]])
    promoted = -(softplus(0.5) + softplus(1.0)) / 2
    torch.testing.assert_close(attack_goal("promote", scores, threshold, interacted), torch.tensor([promoted]))
    torch.testing.assert_close(attack_goal("accuracy", scores, threshold, interacted), torch.tensor([promoted - softplus(1.0)]))


def test_an_item_without_users_has_no_users_to_leave() -> None:
    value = attack_goal("accuracy", torch.zeros(2, 1), torch.zeros(2), torch.zeros(2, 1, dtype=torch.bool))
    torch.testing.assert_close(value, torch.tensor([-softplus(0.0)]))


def test_the_threshold_is_that_of_unseen_items() -> None:
    scores, seen = torch.tensor([[5.0, 3.0, 2.0, 1.0]]), torch.tensor([[True, False, False, False]])
    assert list_thresholds(scores, seen, 2).tolist() == [2.0]


def test_the_least_popular_items_have_an_input() -> None:
    degree, has = torch.tensor([3, 0, 1, 2, 1]), torch.tensor([True, False, True, True, True])
    assert least_popular(degree, has, 0.4).tolist() == [2, 4]
    assert least_popular(degree, has, 0.0).tolist() == [2]
