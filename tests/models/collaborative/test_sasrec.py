"""mmrec.models.collaborative.sasrec: windows by hand, a rule of succession is learned, the order of a history counts."""

from functools import partial

import pytest
import torch

from mmrec.data.interactions.histories import Histories
from mmrec.losses import bpr
from mmrec.models.collaborative import sasrec
from mmrec.models.collaborative.sasrec import SASRec, cut, latest, read
from mmrec.models.recommender import LackingData, TrainedScorer
from mmrec.tasks.plain_training import PlainTraining
from mmrec.types import DatasetSpec, Interactions

N_ITEMS, N_USERS, LENGTH = 12, 48, 6


def successions() -> DatasetSpec:
    """User u has the items u, u + 1, …, u + 5 on a circle of 11, rows are shuffled; the last user and item 11 have nothing."""
    step = torch.arange(LENGTH).repeat(N_USERS)
    user = torch.repeat_interleave(torch.arange(N_USERS), LENGTH)
    rows = torch.randperm(len(user), generator=torch.Generator().manual_seed(0))
    return DatasetSpec(N_USERS + 1, N_ITEMS, Interactions(user[rows], ((user + step) % (N_ITEMS - 1))[rows], step[rows]))


def make(spec: DatasetSpec, n_epochs: int = 30, seed: int = 0) -> TrainedScorer:
    """A trained model as a scorer."""
    model = partial(SASRec, embedding_dim=16, n_layers=1, n_heads=2, dropout=0.0, max_length=4)
    loss = partial(bpr, temperature=1.0)
    return PlainTraining(model, loss, "users", 8, n_negatives=1, learning_rate=0.01, n_epochs=n_epochs, seed=seed).fit(spec)


def test_every_event_but_a_users_first_is_a_target_once() -> None:
    """Users of 6, 0, 1 and 3 events in windows of 2."""
    indptr, events = torch.tensor([0, 6, 6, 7, 10]), torch.arange(10)
    windows = cut(indptr, torch.arange(4), max_length=2)
    assert list(zip(windows.start.tolist(), windows.length.tolist(), strict=True)) == [(0, 1), (1, 2), (3, 2), (7, 2)]
    assert read(events, windows)[1:].tolist() == [[1, 2], [3, 4], [7, 8]]
    assert read(events, windows, shift=1)[:, 0].tolist() == [1, 2, 4, 8]
    of_some = cut(indptr, torch.tensor([3, 2]), max_length=2)
    assert (of_some.start.tolist(), of_some.length.tolist()) == ([7], [2])
    last = latest(indptr, torch.tensor([3, 1, 0]), max_length=4)
    assert last.start.tolist() == [7, 6, 2] and last.length.tolist() == [3, 0, 4]


@pytest.mark.parametrize("n_candidates", [4096, 6], ids=["all items", "a sample"])
def test_the_successor_comes_first(n_candidates: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sasrec, "_N_CANDIDATES", n_candidates)
    users = torch.arange(N_USERS)
    first = make(successions()).score_users(users).argmax(dim=1)
    assert torch.equal(first, (users + LENGTH) % (N_ITEMS - 1))


def test_the_order_of_a_history_counts() -> None:
    """Two users with the same items, who differ in the order of two that both had before their last."""
    spec = successions()
    events = Interactions(
        torch.cat([spec.train.user_idx, torch.tensor([48, 48, 48, 49, 49, 49])]),
        torch.cat([spec.train.item_idx, torch.tensor([0, 5, 7, 5, 0, 7])]),
        torch.cat([spec.train.timestamp, torch.tensor([0, 1, 2, 0, 1, 2])]),
    )
    scores = make(DatasetSpec(50, N_ITEMS, events), n_epochs=3).score_users(torch.tensor([48, 49]))
    assert (scores[0] - scores[1]).abs().max() > 1e-3


def test_a_history_is_scored_in_its_order() -> None:
    scorer = make(successions())
    first = scorer.score_histories(Histories.from_lists([[9, 8, 2, 3, 4], [4, 5], []])).argmax(dim=1)
    assert first[:2].tolist() == [5, 6]


def test_users_without_history_get_items_by_popularity_and_cold_items_are_last() -> None:
    spec = successions()
    baseline = make(spec, n_epochs=2)
    scores = baseline.score_users(torch.tensor([N_USERS, 0]))
    counts = torch.bincount(spec.train.item_idx, minlength=N_ITEMS)
    assert torch.equal(scores[0, :-1], counts[:-1].float())
    assert (scores[:, -1] < scores[:, :-1].amin(dim=1)).all()
    assert torch.equal(baseline.score_users(torch.tensor([0]))[0], scores[1])


def test_same_seed_same_scores() -> None:
    state, users = torch.get_rng_state(), torch.arange(N_USERS)
    spec = successions()
    scores = make(spec, n_epochs=2).score_users(users)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(make(spec, n_epochs=2).score_users(users), scores)
    assert not torch.equal(make(spec, n_epochs=2, seed=1).score_users(users), scores)


def test_what_it_needs_is_said() -> None:
    with pytest.raises(LackingData, match="requires the times of interactions"):
        SASRec(DatasetSpec(1, 1, Interactions(torch.tensor([0]), torch.tensor([0]))))
    nobody = torch.zeros(0, dtype=torch.int64)
    empty = DatasetSpec(1, 2, Interactions(nobody, nobody, nobody))
    assert make(empty, n_epochs=1).score_users(torch.tensor([0])).tolist() == [[0.0, 0.0]]
