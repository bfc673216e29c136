"""mmrec.models.closed_form.content_knn: cosines by hand; new items are scored, items without the modality are last."""

import pytest
import torch

from mmrec.models.closed_form.content_knn import ContentKNN
from mmrec.models.recommender import LackingData
from mmrec.types import DatasetSpec, Features, Interactions

TRAIN = Interactions(torch.tensor([0, 0, 1]), torch.tensor([0, 1, 2]))


def make_spec(values: torch.Tensor, present: list[bool], name: str = "text") -> DatasetSpec:
    return DatasetSpec(3, len(values), TRAIN, {name: Features(values, torch.tensor(present))})


def test_by_hand() -> None:
    """Over the training items 0, 1, 2 the features have mean (2, 0) and deviation (√(8/3), 0): of the second nothing is left.

    User 0 has items 0 and 1, a profile of 0 + (-); item 3 is new and like item 0; item 4 is without text; user 2, without history, gets
    what is popular.
    """
    values = torch.tensor([[0.0, 0.0], [2.0, 0.0], [4.0, 0.0], [1.0, 7.0], [0.0, 0.0]])
    scores = ContentKNN("text").fit(make_spec(values, [True, True, True, True, False])).score_users(torch.tensor([0, 1, 2]))
    torch.testing.assert_close(scores, torch.tensor([[1.0, 0, -1, 1, -2], [-1.0, 0, 1, -1, -2], [1.0, 1, 1, 0, 0]]))


def test_equal_to_loops() -> None:
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(6, 4, generator=generator) * torch.tensor([1.0, 5.0, 0.1, 2.0]) + 3
    scores = ContentKNN("image").fit(make_spec(values, [True] * 6, "image")).score_users(torch.tensor([0]))[0]
    standard = (values - values[:3].mean(dim=0)) / values[:3].std(dim=0, correction=0)
    profile = (standard[0] + standard[1]) / 2
    expected = [torch.cosine_similarity(profile, standard[i], dim=0).item() for i in range(6)]
    assert scores.tolist() == pytest.approx(expected, abs=1e-6)


def test_what_it_needs_is_said() -> None:
    with pytest.raises(LackingData, match="the data have no image features"):
        ContentKNN("image").fit(make_spec(torch.zeros(4, 2), [True] * 4))
    with pytest.raises(LackingData, match="the data have no text features of training items"):
        ContentKNN("text").fit(make_spec(torch.zeros(4, 2), [False, False, False, True]))
