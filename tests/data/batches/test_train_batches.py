"""Training batches: negatives that are no positives of their user, batches from (seed, epoch) alone, parts that make the whole."""

from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.data.batches.negatives import draw_distinct, sample_rejecting
from mmrec.data.batches.train_batches import PairBatches, TrainBatch, TrainBatches
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.errors import DataError

N_USERS, N_ITEMS, N_WARM = 12, 15, 11
both_kinds = pytest.mark.parametrize("shared", [True, False])


@pytest.fixture
def positives() -> InteractionMatrix:
    """61 pairs; items 11 to 14 and user 11 occur in none, user 0 has all warm items but one."""
    wanted = torch.rand(N_USERS, N_ITEMS, generator=torch.Generator().manual_seed(0)) < 0.45
    wanted[:, N_WARM:], wanted[11] = False, False
    wanted[0, :N_WARM] = True
    wanted[0, 4] = False
    return InteractionMatrix.from_pairs(*wanted.nonzero().unbind(1), N_USERS, N_ITEMS)


def pairs_of(matrix: InteractionMatrix) -> set[tuple[int, int]]:
    return set(zip(*(column.tolist() for column in matrix.rows(torch.arange(matrix.n_users))), strict=True))


def same(left: list[TrainBatch], right: list[TrainBatch]) -> bool:
    return len(left) == len(right) and all(
        torch.equal(a, b) if a is not None and b is not None else a is b
        for one, two in zip(left, right, strict=True)
        for a, b in zip(one, two, strict=True)
    )


@both_kinds
@pytest.mark.parametrize("n_negatives", [1, 6, 100])
def test_no_negative_that_counts_is_a_positive_and_none_is_cold(positives: InteractionMatrix, shared: bool, n_negatives: int) -> None:
    known, epoch = pairs_of(positives), iter(range(100))
    batches = TrainBatches(positives, 4, n_negatives, shared, seed=1, epoch=lambda: next(epoch))
    for batch in (batch for _ in range(3) for batch in batches):
        own = batch.negatives.expand(len(batch.user_idx), -1)
        hit = torch.tensor(
            [[(user, item) in known for item in row] for user, row in zip(batch.user_idx.tolist(), own.tolist(), strict=True)]
        )
        assert torch.equal(batch.valid, ~hit)
        assert (own < N_WARM).all()
        if shared:
            assert len(batch.negatives) == len(set(batch.negatives.tolist())) == min(n_negatives, N_WARM)
        else:
            assert not hit.any()
            assert own.shape[1] == n_negatives


@both_kinds
def test_an_epoch_has_every_user_once_with_all_positives(positives: InteractionMatrix, shared: bool) -> None:
    batches = TrainBatches(positives, 4, 2, shared, seed=1)
    pairs = [pair for batch in batches for pair in zip(batch.user_idx[batch.row].tolist(), batch.item_idx.tolist(), strict=True)]
    assert Counter(pairs) == Counter(pairs_of(positives))
    users = [batch.user_idx.tolist() for batch in batches]
    assert [len(part) for part in users] == [4, 4, 3]
    order = [user for part in users for user in part]
    assert sorted(order) == list(range(11)) != order  # user 11 has nothing to learn from
    assert len(batches) == 3


@both_kinds
def test_an_epoch_is_a_function_of_seed_and_epoch(positives: InteractionMatrix, shared: bool) -> None:
    def epoch(seed: int, number: int) -> list[TrainBatch]:
        return list(TrainBatches(positives, 4, 3, shared, seed, epoch=lambda: number))

    reference = epoch(1, 2)
    torch.manual_seed(99)  # the global generator has no say
    batches = TrainBatches(positives, 4, 3, shared, seed=1, epoch=lambda: 2)
    next(iter(batches))  # nor has an epoch that was broken off
    assert same(reference, list(batches))
    assert same(reference, list(batches))
    assert not same(reference, epoch(1, 3))
    assert not same(reference, epoch(2, 2))
    assert not same(epoch(0, 1), epoch(1, 0))


@both_kinds
def test_a_batch_counts_its_items_where_they_are_less_than_half_of_the_catalogue(positives: InteractionMatrix, shared: bool) -> None:
    counted = []
    for batch in (batch for seed in range(10) for batch in TrainBatches(positives, 2, 2, shared, seed)):
        items = sorted({*batch.item_idx.tolist(), *batch.negatives.flatten().tolist()})
        counted.append(batch.distinct is not None)
        assert counted[-1] == (2 * len(items) < N_ITEMS)
        renumbered = batch.renumbered()
        if counted[-1]:
            assert batch.distinct.tolist() == items
            assert torch.equal(batch.distinct[renumbered.item_idx], batch.item_idx)
            assert torch.equal(batch.distinct[renumbered.negatives], batch.negatives)
        else:
            assert renumbered is batch
    assert 0 < sum(counted) < len(counted)


def test_the_epoch_is_asked_for_at_every_pass(positives: InteractionMatrix) -> None:
    now = [0]
    batches = TrainBatches(positives, 4, 3, True, seed=1, epoch=lambda: now[0])
    first = list(batches)
    now[0] = 1
    assert not same(first, list(batches))
    now[0] = 0
    assert same(first, list(batches))


@both_kinds
@pytest.mark.parametrize("seed", [20_260_131, 2**32 - 1, 2**63])
def test_any_seed_will_do(positives: InteractionMatrix, shared: bool, seed: int) -> None:
    big, next_one = (list(TrainBatches(positives, 4, 3, shared, seed + step)) for step in (0, 1))
    assert not same(big, next_one)


@both_kinds
@pytest.mark.parametrize("world_size", [2, 3, 5, 9])
def test_parts_of_all_ranks_are_the_global_batch(positives: InteractionMatrix, shared: bool, world_size: int) -> None:
    whole = list(TrainBatches(positives, 4, 3, shared, seed=1))
    parts = [list(TrainBatches(positives, 4, 3, shared, seed=1, rank=rank, world_size=world_size)) for rank in range(world_size)]
    assert {len(part) for part in parts} == {len(whole)}
    for step, batch in enumerate(whole):
        mine = [part[step] for part in parts]
        for name in ("user_idx", "item_idx", "valid"):
            assert torch.equal(torch.cat([getattr(part, name) for part in mine]), getattr(batch, name))
        if shared:
            assert all(torch.equal(part.negatives, batch.negatives) for part in mine)
        else:
            assert torch.equal(torch.cat([part.negatives for part in mine]), batch.negatives)
        positives_of = torch.cat([part.user_idx[part.row] for part in mine])
        assert torch.equal(positives_of, batch.user_idx[batch.row])
        for part in mine:
            assert part.weight.item() == pytest.approx(len(part.item_idx) * world_size / len(batch.item_idx))
        assert sum(part.weight.item() for part in mine) == pytest.approx(world_size)
    assert all(batch.weight == 1 for batch in whole)


@settings(max_examples=40, deadline=None)
@given(st.sets(st.integers(0, 8), max_size=8), st.integers(0, 100))
def test_draws_for_any_history(history: set[int], seed: int) -> None:
    items = torch.tensor(sorted(history), dtype=torch.int64)
    matrix = InteractionMatrix.from_pairs(torch.zeros_like(items), items, 1, 9)
    drawn = sample_rejecting(matrix, torch.zeros(3, dtype=torch.int64), 4, torch.arange(9), torch.Generator().manual_seed(seed))
    assert drawn.shape == (3, 4)
    assert not set(drawn.flatten().tolist()) & history


def test_draws_are_uniform_over_what_is_left() -> None:
    """Of candidates 0, 2, 4, 6, 8 the user has 0 and 4; 6,000 draws over the others leave 2,000 each, give or take 5 deviations of 37."""
    matrix = InteractionMatrix.from_pairs(torch.tensor([0, 0, 0]), torch.tensor([0, 4, 5]), 1, 9)
    drawn = sample_rejecting(matrix, torch.zeros(6, dtype=torch.int64), 1000, torch.arange(0, 9, 2), torch.Generator().manual_seed(0))
    counts = Counter(drawn.flatten().tolist())
    assert set(counts) == {2, 6, 8}
    assert all(abs(count - 2000) < 185 for count in counts.values())


def test_the_only_item_left_among_many_is_found() -> None:
    """Fifty rounds of one in 2,000 would mostly miss it."""
    items = torch.arange(1999)
    matrix = InteractionMatrix.from_pairs(torch.zeros_like(items), items, 1, 2000)
    drawn = sample_rejecting(matrix, torch.tensor([0]), 5, torch.arange(2000), torch.Generator().manual_seed(0))
    assert drawn.tolist() == [[1999] * 5]


def test_a_user_who_has_everything_is_an_error_where_users_draw_their_own() -> None:
    """User 1 has both warm items; item 2 is cold, so it is no way out. A shared pool masks both and goes on."""
    matrix = InteractionMatrix.from_pairs(torch.tensor([0, 1, 1]), torch.tensor([0, 0, 1]), 2, 3)
    with pytest.raises(DataError, match="2 training items has interacted with all"):
        list(TrainBatches(matrix, 3, 1, shared=False, seed=0))
    (batch,) = TrainBatches(matrix, 3, 5, shared=True, seed=0)
    assert not batch.valid[batch.user_idx == 1].any()
    assert batch.valid[batch.user_idx == 0].sum() == 1


def test_an_evaluation_set_has_the_users_with_positives(positives: InteractionMatrix) -> None:
    held_out = InteractionMatrix.from_pairs(torch.tensor([7, 2, 7, 11]), torch.tensor([0, 1, 3, 3]), N_USERS, N_ITEMS)
    data = EvaluationSet.build(positives, held_out)
    assert data.user_idx.tolist() == [2, 7, 11]
    assert data.seen is positives
    assert data.positives is held_out
    assert data.to(torch.device("meta")).seen.indptr.device.type == "meta"


@pytest.mark.parametrize("world_size", [1, 2, 3, 7])
def test_parts_of_an_evaluation_set_are_all_users_once_and_in_order(positives: InteractionMatrix, world_size: int) -> None:
    data = EvaluationSet.build(positives, positives)
    parts = [data.part(rank, world_size) for rank in range(world_size)]
    assert torch.equal(torch.cat([part.user_idx for part in parts]), data.user_idx)
    sizes = [len(part.user_idx) for part in parts]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("world_size", [1, 3])
def test_an_epoch_of_pairs_is_every_interaction_once_with_negatives_of_its_user(world_size: int) -> None:
    generator = torch.Generator().manual_seed(3)
    positives = InteractionMatrix.from_pairs(
        torch.randint(20, (150,), generator=generator), torch.randint(30, (150,), generator=generator), n_users=20, n_items=40
    )
    parts = [list(PairBatches(positives, 16, 3, seed=1, rank=rank, world_size=world_size)) for rank in range(world_size)]
    batches = [batch for part in parts for batch in part]
    keys = torch.cat([batch.user_idx * 40 + batch.item_idx for batch in batches])
    assert torch.equal(keys.sort().values, positives.keys()) and not torch.equal(keys, positives.keys())
    drawn = torch.cat([(batch.user_idx[:, None] * 40 + batch.negatives).flatten() for batch in batches])
    assert not torch.isin(drawn, positives.keys()).any() and int((drawn % 40).max()) < 30  # items 30 to 39 have no interaction
    for step in zip(*parts, strict=True):  # the weighted mean over processes is the mean over the batch
        assert sum(float(batch.weight) for batch in step) / world_size == pytest.approx(1.0)
        assert all(torch.equal(batch.row, torch.arange(len(batch.user_idx))) for batch in step)


def test_pairs_differ_between_epochs_and_seeds_and_not_between_repetitions() -> None:
    positives = InteractionMatrix.from_pairs(torch.arange(50) % 10, torch.arange(50) % 23, n_users=10, n_items=23)

    def order(seed: int, epoch: int) -> list[int]:
        return torch.cat([batch.negatives.flatten() for batch in PairBatches(positives, 7, 2, seed, epoch=lambda: epoch)]).tolist()

    assert order(0, 0) == order(0, 0) and len({tuple(order(*pair)) for pair in [(0, 0), (0, 1), (1, 0)]}) == 3


@pytest.mark.parametrize("n", [7, 40, 41, 1000])
def test_distinct_numbers_are_as_many_as_asked_for_and_every_one_as_likely(n: int) -> None:
    """Ten of n, 400 times; each number comes 4,000 / n times, give or take 5 deviations, by a permutation as by redrawing."""
    generator = torch.Generator().manual_seed(0)
    drawn = [draw_distinct(n, min(n, 10), generator) for _ in range(400)]
    assert all(len(one.unique()) == len(one) == min(n, 10) for one in drawn)
    counts, share = torch.bincount(torch.cat(drawn), minlength=n), min(n, 10) / n
    assert len(counts) == n and ((counts - 400 * share).abs() <= 5 * (400 * share) ** 0.5).all()


def test_a_small_pool_of_a_large_catalogue_masks_every_users_own_positives_in_every_batch() -> None:
    """Places in the pool of one batch are forgotten in the next."""
    generator = torch.Generator().manual_seed(0)
    users, items = torch.randint(30, (3000,), generator=generator), torch.randint(200, (3000,), generator=generator)
    positives = InteractionMatrix.from_pairs(users, items, n_users=30, n_items=200)
    known = pairs_of(positives)
    for batch in TrainBatches(positives, 4, 20, shared=True, seed=3):
        own = [[(user, item) not in known for item in batch.negatives.tolist()] for user in batch.user_idx.tolist()]
        assert batch.valid.tolist() == own and len(batch.negatives.unique()) == 20
