"""ZeroShotText: cosines by hand, with and without centres, what is missing, and users given by histories."""

import pytest
import torch
import torch.nn.functional as F

from mmrec.data.interactions.histories import Histories
from mmrec.models.content.zero_shot_text import ZeroShotText
from mmrec.models.recommender import LackingData
from mmrec.types import DatasetSpec
from tests.models.multimodal.test_text_cf import N_ITEMS, N_USERS, TRAIN, make_spec


@pytest.mark.parametrize("centred", [False, True])
def test_scores_are_cosines_of_texts(centred: bool) -> None:
    spec = make_spec()
    assert spec.user_texts is not None
    users, items = spec.user_texts.features.values[:2], spec.features["text"].values[:4]
    if centred:
        users, items = users - users.mean(dim=0), items - items.mean(dim=0)
    scores = ZeroShotText(centred).fit(spec).score_users(torch.arange(N_USERS))
    torch.testing.assert_close(scores[:2, :4], F.normalize(users, dim=1) @ F.normalize(items, dim=1).T)
    assert (scores[:2].argmin(dim=1) == 4).all()  # an item without text
    assert scores[2].tolist() == [1, 1, 1, 0, 0]  # a user without text gets popular items


def test_histories_and_what_it_cannot_do_without() -> None:
    model = ZeroShotText().fit(make_spec())
    assert model.score_histories(Histories.from_lists([[0, 2], []])).shape == (2, N_ITEMS)
    with pytest.raises(LackingData, match="zero_shot_text needs items with texts"):
        ZeroShotText().fit(DatasetSpec(N_USERS, N_ITEMS, TRAIN))
