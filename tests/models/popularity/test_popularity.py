"""mmrec.models.popularity.popularity: counts by hand."""

import torch

from mmrec.models.popularity.popularity import Popularity
from mmrec.types import DatasetSpec, Interactions


def test_by_hand() -> None:
    """Item 2 has three users, one of them twice in the log; item 1 has none."""
    train = DatasetSpec(4, 3, Interactions(torch.tensor([0, 1, 2, 2, 2]), torch.tensor([2, 2, 2, 2, 0])))
    scores = Popularity().fit(train).score_users(torch.tensor([3, 0]))
    assert scores.tolist() == [[1.0, 0.0, 3.0]] * 2
