"""mmrec.models.sequence.bert4rec: what is hidden, that both sides of a hidden item count, and that the next item is learned."""

from functools import partial

import pytest
import torch

from mmrec.data.interactions.histories import Histories
from mmrec.losses import bpr
from mmrec.models.recommender import LackingData, TrainedScorer
from mmrec.models.sequence.bert4rec import BERT4Rec, draw_hidden
from mmrec.tasks.plain_training import PlainTraining
from mmrec.types import DatasetSpec, Interactions

N_ITEMS, N_USERS, LENGTH = 12, 48, 6


def successions() -> DatasetSpec:
    """User u has the items u, u + 1, …, u + 5 on a circle of 11; the last user and item 11 have nothing."""
    step = torch.arange(LENGTH).repeat(N_USERS)
    user = torch.repeat_interleave(torch.arange(N_USERS), LENGTH)
    return DatasetSpec(N_USERS + 1, N_ITEMS, Interactions(user, (user + step) % (N_ITEMS - 1), step))


@pytest.fixture(scope="module")
def trained() -> TrainedScorer:
    model = partial(BERT4Rec, embedding_dim=16, n_layers=1, n_heads=2, dropout=0.0, max_length=5)
    loss = partial(bpr, temperature=1.0)
    return PlainTraining(model, loss, "users", 8, n_negatives=1, learning_rate=0.01, n_epochs=150).fit(successions())


def test_a_share_of_each_history_is_hidden_and_never_padding() -> None:
    length = torch.tensor([1, 3, 20, 20]).repeat(500)
    hidden = draw_hidden(length, 20, 0.3, torch.Generator().manual_seed(0))
    counts = hidden.sum(dim=1)
    assert (counts >= 1).all() and not hidden[torch.arange(20) >= length[:, None]].any()
    long = counts[length == 20].float()
    assert (long == 1).float().mean() == pytest.approx(0.1, abs=0.03)  # only the last item
    assert long[long > 1].mean() == pytest.approx(6.0, abs=0.3)
    assert hidden[(counts == 1) & (length == 20)][:, -1].float().mean() > 0.9


def test_the_successor_comes_first(trained: TrainedScorer) -> None:
    users = torch.arange(N_USERS)
    assert torch.equal(trained.score_users(users).argmax(dim=1), (users + LENGTH) % (N_ITEMS - 1))
    first = trained.score_histories(Histories.from_lists([[9, 8, 2, 3, 4], [4, 5], []])).argmax(dim=1)
    assert first[:2].tolist() == [5, 6]


def test_both_sides_of_a_hidden_item_count() -> None:
    model = BERT4Rec(successions(), embedding_dim=16, n_layers=1, dropout=0.0, max_length=4).eval()
    real = torch.ones(1, 3, dtype=torch.bool)
    one, other = (model.states(torch.tensor([[4, model.mask, last]]), real)[0, 1] for last in (6, 9))
    assert (one - other).abs().max() > 1e-3
    padded = model.states(torch.tensor([[4, model.mask, 9, 1]]), torch.tensor([[True, True, False, False]]))[0, 1]
    alone = model.states(torch.tensor([[4, model.mask]]), torch.ones(1, 2, dtype=torch.bool))[0, 1]
    torch.testing.assert_close(padded, alone)


def test_users_without_history_get_items_by_popularity_and_cold_items_are_last(trained: TrainedScorer) -> None:
    spec = successions()
    scores = trained.score_users(torch.tensor([N_USERS, 0]))
    counts = torch.bincount(spec.train.item_idx, minlength=N_ITEMS)
    assert torch.equal(scores[0, :-1], counts[:-1].float())
    assert (scores[:, -1] < scores[:, :-1].amin(dim=1)).all()


def test_what_it_needs_is_said() -> None:
    with pytest.raises(LackingData, match="requires the times of interactions"):
        BERT4Rec(DatasetSpec(1, 1, Interactions(torch.tensor([0]), torch.tensor([0]))))
    with pytest.raises(ValueError, match="hidden_share: expected a fraction above 0 and below 1, found 1"):
        BERT4Rec(successions(), hidden_share=1)
    with pytest.raises(ValueError, match="max_length: expected at least 2, found 1"):
        BERT4Rec(successions(), max_length=1)
    nobody = torch.zeros(0, dtype=torch.int64)
    empty = DatasetSpec(1, 2, Interactions(nobody, nobody, nobody))
    training = PlainTraining(partial(BERT4Rec, embedding_dim=4), partial(bpr, temperature=1.0), "users", 8, n_epochs=1)
    assert training.fit(empty).score_users(torch.tensor([0])).tolist() == [[0.0, 0.0]]
