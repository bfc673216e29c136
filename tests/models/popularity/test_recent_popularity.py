"""mmrec.models.popularity.recent_popularity: sums of decayed events by hand."""

import pytest
import torch

from mmrec.models.popularity.recent_popularity import RecentPopularity
from mmrec.models.recommender import LackingData
from mmrec.types import DatasetSpec, Interactions

DAY_S = 86_400


def test_by_hand() -> None:
    """A half-life of two days: item 0 has an event of today and one of two days before, item 2 two of four days before, item 1 none."""
    times = 1_000_000_000 + DAY_S * torch.tensor([4, 2, 0, 0])
    spec = DatasetSpec(3, 3, Interactions(torch.tensor([0, 1, 1, 2]), torch.tensor([0, 0, 2, 2]), times))
    scores = RecentPopularity(half_life_days=2.0).fit(spec).score_users(torch.tensor([1, 0]))
    assert scores.tolist() == [[1.5, 0.0, 0.5]] * 2


def test_what_it_needs_is_said() -> None:
    with pytest.raises(LackingData, match="requires the times of interactions"):
        RecentPopularity(1.0).fit(DatasetSpec(1, 1, Interactions(torch.tensor([0]), torch.tensor([0]))))
    with pytest.raises(ValueError, match="half_life_days: expected more than 0, found 0"):
        RecentPopularity(0.0)
