"""Histories from lists and from events in any order, and as a matrix."""

import torch

from mmrec.data.interactions.histories import Histories
from mmrec.types import Interactions


def test_events_are_in_order_of_time_then_of_item() -> None:
    events = Interactions(torch.tensor([2, 0, 2, 2, 0]), torch.tensor([4, 1, 3, 0, 2]), torch.tensor([7, 9, 7, 5, 8]))
    histories = Histories.from_events(events, n_users=3)
    assert histories.indptr.tolist() == [0, 2, 2, 5] and histories.item_idx.tolist() == [2, 1, 0, 3, 4]
    assert histories.timestamp.tolist() == [8, 9, 5, 7, 7] and len(histories) == 3


def test_without_times_they_are_in_order_of_item() -> None:
    histories = Histories.from_events(Interactions(torch.tensor([1, 1, 0]), torch.tensor([4, 2, 3])), n_users=2)
    assert histories.item_idx.tolist() == [3, 2, 4] and histories.timestamp is None


def test_lists_keep_their_order_and_a_matrix_has_neither_order_nor_repetitions() -> None:
    histories = Histories.from_lists([[3, 1, 3], [], [0]])
    assert histories.item_idx.tolist() == [3, 1, 3, 0] and histories.n_events.tolist() == [3, 0, 1]
    owned = histories.matrix(5)
    assert owned.indices.tolist() == [1, 3, 0] and owned.degree.tolist() == [2, 0, 1] and owned.n_items == 5
    assert len(Histories.from_lists([])) == 0 and Histories.from_lists([]).matrix(5).n_users == 0
