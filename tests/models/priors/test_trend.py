"""What is popular at the end of training, by hand, and the half-life that validation takes."""

import pytest
import torch

from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.models.priors.trend import Trend, recent_popularity
from mmrec.types import DatasetSpec, Interactions

DAY = 86_400


def test_interactions_fade_by_their_age_and_count_less_of_the_busy() -> None:
    train = Interactions(torch.tensor([0, 0, 1]), torch.tensor([0, 1, 1]), torch.tensor([0, 4 * DAY, 4 * DAY]))
    raw = torch.tensor([0.25 * 2**-0.25, 2**-0.25 + 1, 0.0]).sqrt()  # item 0 is four days old, two half-lives
    torch.testing.assert_close(recent_popularity(DatasetSpec(2, 3, train), 2.0), (raw - raw.mean()) / raw.std())


def test_without_times_it_is_popularity() -> None:
    train = Interactions(torch.tensor([0, 1, 2, 3]), torch.tensor([1, 1, 1, 0]))
    trend = recent_popularity(DatasetSpec(4, 3, train), 1.0)
    assert trend.argsort(descending=True).tolist() == [1, 0, 2] and trend.std().item() == pytest.approx(1.0)


@pytest.mark.parametrize(("wanted", "half_life_days"), [(1, 1.0), (0, 1000.0)])
def test_validation_takes_the_half_life(wanted: int, half_life_days: float) -> None:
    """Item 0 was popular long ago, item 1 is now."""
    users = torch.arange(12)
    train = Interactions(users, torch.tensor([0] * 8 + [1] * 4), torch.tensor([0] * 8 + [30 * DAY] * 4))
    spec = DatasetSpec(13, 3, train)
    seen = InteractionMatrix.from_pairs(users, train.item_idx, 13, 3)
    valid = EvaluationSet.build(seen, InteractionMatrix.from_pairs(torch.tensor([12]), torch.tensor([wanted]), 13, 3))
    chosen = Trend([1.0, 1000.0]).fit(spec, valid, 1)
    torch.testing.assert_close(chosen, recent_popularity(spec, half_life_days))


def test_a_half_life_is_more_than_nothing() -> None:
    with pytest.raises(ValueError, match="half_life_days"):
        Trend([1.0, 0.0])
