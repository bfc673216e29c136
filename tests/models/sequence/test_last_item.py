"""Markov chains and nearest neighbours of the last item, by hand."""

import pytest
import torch

from mmrec.data.interactions.histories import Histories
from mmrec.models.recommender import LackingData
from mmrec.models.sequence.last_item import last_items
from mmrec.models.sequence.last_item_knn import LastItemKNN
from mmrec.models.sequence.markov_chain import MarkovChain
from mmrec.types import DatasetSpec, Interactions

# Users 0 and 1: 0, 1, 2; user 2: 0, 1, 3; user 3: 1; nobody has 4, and user 4 has nothing.
USERS, ITEMS = [0, 0, 0, 1, 1, 1, 2, 2, 2, 3], [0, 1, 2, 0, 1, 2, 0, 1, 3, 1]
SPEC = DatasetSpec(5, 5, Interactions(torch.tensor(USERS), torch.tensor(ITEMS), torch.tensor([5, 6, 7] * 3 + [1])))


def test_what_followed_the_last_item_most_often_is_first() -> None:
    scores = MarkovChain().fit(SPEC).score_users(torch.arange(5))
    assert scores[3, [2, 3]].tolist() == pytest.approx([2 / 3, 1 / 3], abs=1e-5)
    assert scores[3].argsort(descending=True)[:2].tolist() == [2, 3]
    assert scores[4].argmax() == 1  # without history: the most popular
    assert (scores.argmin(dim=1)[:4] == 4).all()  # never seen


def test_a_longer_window_counts_farther_pairs_less() -> None:
    scores = MarkovChain(window=2, decay=0.5).fit(SPEC).score_histories(Histories.from_lists([[0]]))
    assert scores[0, [1, 2, 3]].tolist() == pytest.approx([3 / 4.5, 1 / 4.5, 0.5 / 4.5], abs=1e-5)


def test_neighbours_of_the_last_item_by_cosine() -> None:
    scores = LastItemKNN(shrinkage=0.0).fit(SPEC).score_histories(Histories.from_lists([[3, 2], []]))
    assert scores[0, [0, 1]].tolist() == pytest.approx([2 / (3 * 2) ** 0.5, 2 / (4 * 2) ** 0.5], abs=1e-5)
    assert scores[0, 3] < 1e-5


def test_the_last_item_is_the_newest() -> None:
    assert last_items(Histories.from_lists([[3, 1], [], [2]])).tolist() == [1, -1, 2]
    assert last_items(Histories.from_lists([[], []])).tolist() == [-1, -1]


@pytest.mark.parametrize("model", [MarkovChain, LastItemKNN])
def test_times_are_needed(model: type[MarkovChain]) -> None:
    with pytest.raises(LackingData, match="needs the times of interactions"):
        model().fit(DatasetSpec(2, 2, Interactions(torch.tensor([0, 1]), torch.tensor([0, 1]))))
