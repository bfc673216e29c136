"""Users of few items: the given ones are not scored, histories are adapted as the equal users."""

import torch
import torch.nn.functional as F

from mmrec.data.batches.given_items import draw_given
from mmrec.data.batches.train_batches import TrainBatches
from mmrec.data.interactions.histories import Histories
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.models.multimodal.users.adapted_history import AdaptedHistory
from mmrec.nn.few_shot.maml import Maml
from mmrec.types import DatasetSpec, Interactions

USER, ITEM = torch.tensor([0, 0, 0, 0, 0, 0, 1, 1, 2]), torch.tensor([3, 1, 0, 2, 5, 6, 1, 4, 0])
SPEC = DatasetSpec(4, 7, Interactions(USER, ITEM))  # user 2 has one item, user 3 has none
ITEMS = torch.randn(7, 4, generator=torch.Generator().manual_seed(0))


def history(**settings: int) -> AdaptedHistory:
    return AdaptedHistory(SPEC, Maml(4, n_negatives=5, **settings))


def test_a_history_is_represented_as_the_equal_user() -> None:
    one = history()
    users = one.users(ITEMS)
    torch.testing.assert_close(one.of(Histories.from_events(SPEC.train, 4), ITEMS), users)
    torch.testing.assert_close(users[:3].norm(dim=1), torch.ones(3))
    assert not users[3].any()
    torch.testing.assert_close(history(n_steps=0).users(ITEMS)[1], F.normalize(F.normalize(ITEMS[[1, 4]], dim=1).sum(dim=0), dim=0))


def test_some_positives_are_given_and_only_the_others_are_scored() -> None:
    seen = set()
    for seed in range(20):
        batch = next(iter(TrainBatches(InteractionMatrix.from_pairs(USER, ITEM, 4, 7), 8, 7, True, seed)))
        one, given = history(n_steps=0, max_given=2), draw_given(batch, 2)
        is_given, counts = given.is_given, given.counts
        assert torch.bincount(batch.row[is_given], minlength=3).equal(counts)
        assert counts[batch.user_idx == 1].item() == 1 and counts[batch.user_idx == 2].item() == 0
        seen.add(int(counts[batch.user_idx == 0]))
        scores = one.score(ITEMS, torch.zeros(7), batch, 0.5)
        assert len(scores.positive) == 8 - int(counts.sum())  # without the single positive of user 2
        row = int((batch.user_idx == 1).nonzero())
        mine = batch.row == row
        expected = F.cosine_similarity(ITEMS[batch.item_idx[mine & is_given]], ITEMS[batch.item_idx[mine & ~is_given]])
        torch.testing.assert_close(scores.positive[scores.row == row], expected)
    assert seen == {1, 2}


def test_items_are_added_to_the_catalogue() -> None:
    one, items = history(), torch.cat([ITEMS, torch.randn(2, 4, generator=torch.Generator().manual_seed(1))])
    more = one.extended(9)
    torch.testing.assert_close(more.users(items), one.users(ITEMS))
    given = Histories(torch.tensor([0, 2]), torch.tensor([1, 8]), None)
    assert not torch.equal(more.of(given, items)[0], one.users(ITEMS)[1])
    assert one.trained.n_items == 7
