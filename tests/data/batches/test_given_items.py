"""Given items of users: from one to the most of them, never all, and the same in any number of processes."""

import torch

from mmrec.data.batches.given_items import draw_given
from mmrec.data.batches.train_batches import TrainBatch, TrainBatches
from mmrec.data.interactions.matrix import InteractionMatrix

N_USERS, N_ITEMS = 60, 40
USER = torch.arange(N_USERS).repeat_interleave(torch.arange(N_USERS) % 12 + 1)
ITEM = torch.cat([torch.randperm(N_ITEMS, generator=torch.Generator().manual_seed(n))[: n % 12 + 1] for n in range(N_USERS)])


def batches(rank: int = 0, n_ranks: int = 1) -> list[TrainBatch]:
    owned = InteractionMatrix.from_pairs(USER, ITEM, N_USERS, N_ITEMS)
    return list(TrainBatches(owned, 30, 5, True, 0, rank=rank, world_size=n_ranks))


def drawn(batch: TrainBatch) -> dict[int, set[int]]:
    given = draw_given(batch, 5)
    assert bool((given.is_query == (~given.is_given & (given.counts > 0)[batch.row])).all())
    found = {int(user): set[int]() for user in batch.user_idx}
    for row, item, is_given in zip(batch.row.tolist(), batch.item_idx.tolist(), given.is_given.tolist(), strict=True):
        if is_given:
            found[int(batch.user_idx[row])].add(item)
    return found


def test_from_one_to_the_most_are_given_but_never_all() -> None:
    counts = torch.zeros(6)
    for batch in batches():
        for user, items in drawn(batch).items():
            n = user % 12 + 1
            assert (1 if n > 1 else 0) <= len(items) <= min(5, n - 1)
            counts[len(items)] += n > 5
    assert bool((counts[1:] > 0).all())


def test_any_number_of_processes_draws_the_same() -> None:
    whole = [drawn(batch) for batch in batches()]
    parts = [[drawn(batch) for batch in batches(rank, 3)] for rank in range(3)]
    for at, of_one in enumerate(whole):
        together = {user: items for part in parts for user, items in part[at].items()}
        assert together == of_one
