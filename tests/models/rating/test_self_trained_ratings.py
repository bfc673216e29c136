"""Self-training for ratings: none without rounds or agreement, and pairs that have no rating get the model's own."""

import pytest
import torch

from mmrec.models.rating.biased_mf import BiasedMF
from mmrec.models.rating.self_trained_ratings import SelfTrainedRatings
from mmrec.models.unlabelled_pairs import draw_unlabelled
from tests.models.rating.shop import N_ITEMS, spec


def test_without_rounds_it_is_the_model_and_with_them_it_is_not() -> None:
    plain = BiasedMF(seed=3).fit(spec())
    for settings in ({"rounds": 0}, {"n_unlabelled": 0.0}):
        assert torch.equal(SelfTrainedRatings("biased_mf", seed=3, **settings).fit(spec()).users, plain.users)
    found = [SelfTrainedRatings("biased_mf", seed=3, threshold=threshold).fit(spec()) for threshold in (0.1, 0.5)]
    assert 0 < int(found[0].n_pseudo_labels) < int(found[1].n_pseudo_labels)
    assert not torch.equal(found[1].users, plain.users)


def test_pairs_without_a_label_are_drawn_as_often_as_their_users_and_items_have_labels() -> None:
    rows = spec().train
    users, items = draw_unlabelled(400, rows, N_ITEMS, torch.Generator().manual_seed(0))
    pairs = set(zip(users.tolist(), items.tolist(), strict=True))
    known = set(zip(rows.user_idx.tolist(), rows.item_idx.tolist(), strict=True))
    assert len(pairs) == len(users) > 100 and not pairs & known
    assert set(users.tolist()) <= set(rows.user_idx.tolist()) and set(items.tolist()) <= set(rows.item_idx.tolist())
    assert all(len(part) == 0 for part in draw_unlabelled(0, rows, N_ITEMS, torch.Generator()))


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match=r"of: there is no `biased`; did you mean `biased_mf`"):
        SelfTrainedRatings(of="biased")
    with pytest.raises(ValueError, match="rounds"):
        SelfTrainedRatings(rounds=-1)
