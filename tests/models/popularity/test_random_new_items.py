"""mmrec.models.popularity.random_new_items: all new items before all others, in an order of each user's own."""

import torch

from mmrec.models.popularity.random_new_items import RandomNewItems
from mmrec.types import DatasetSpec, Interactions


def test_new_items_stand_first_in_random_order() -> None:
    spec = DatasetSpec(30, 50, Interactions(torch.arange(30), torch.arange(30)))
    order = RandomNewItems(3).fit(spec).score_users(torch.arange(30)).argsort(dim=1, descending=True)
    assert (order[:, :20] >= 30).all() and (order[:, 20:] < 30).all()
    assert len(order[:, :20].unique(dim=0)) == 30
