"""SequenceFusion: order matters, new items have a place, and both objectives learn what follows what."""

from typing import Any

import pytest
import torch

from mmrec.data.batches.train_batches import TrainBatches
from mmrec.data.interactions.histories import Histories
from mmrec.models.closed_form.interaction_rows import interaction_matrix
from mmrec.models.recommender import LackingData
from mmrec.models.sequence.sequence_fusion import SequenceFusion
from mmrec.types import TEXT, DatasetSpec, Features, Interactions

N_USERS, N_ITEMS, N_EVENTS = 30, 12, 5
SMALL = {"n_layers": 1, "n_heads": 2, "dropout": 0.0, "max_length": 8}


def spec(hidden_item: int | None = None) -> DatasetSpec:
    """User u has the items u, u + 1, … modulo 12 in this order; texts show an item's place on the circle."""
    user, step = torch.arange(N_USERS).repeat_interleave(N_EVENTS), torch.arange(N_EVENTS).repeat(N_USERS)
    item = (user + step) % N_ITEMS
    kept = item != (N_ITEMS if hidden_item is None else hidden_item)
    angle = torch.arange(N_ITEMS) * 2 * torch.pi / N_ITEMS
    text = Features(torch.stack([angle.cos(), angle.sin()], dim=1), torch.ones(N_ITEMS, dtype=torch.bool))
    return DatasetSpec(N_USERS, N_ITEMS, Interactions(user[kept], item[kept], 1000 * step[kept]), {TEXT: text})


def trained(data: DatasetSpec, n_epochs: int = 40, **arguments: Any) -> SequenceFusion:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = SequenceFusion(data, embedding_dim=16, transformer=SMALL, **arguments)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        batches = TrainBatches(interaction_matrix(data), 10, 1, shared=True, seed=0)
        for epoch in range(n_epochs):
            for batch in batches:
                optimizer.zero_grad()
                model.score_batch(batch, torch.Generator().manual_seed(epoch)).extra.backward()
                optimizer.step()
    return model


@pytest.mark.parametrize("objective", ["softmax", "gbce"])
def test_it_learns_what_follows(objective: str) -> None:
    scorer = trained(spec(), objective=objective).freeze()
    found = scorer.score_histories(Histories.from_lists([[3, 4], [9, 10], [11, 0]])).argmax(dim=1)
    assert found.tolist() == [5, 11, 1]
    users = torch.arange(N_USERS)
    assert (
        (scorer.score_users(users).argmax(dim=1) - users) % N_ITEMS == N_EVENTS
    ).float().mean() > 0.6  # at a position that was never trained


def test_a_known_user_is_scored_as_an_equal_history_and_order_matters() -> None:
    data = spec()
    scorer = trained(data, n_epochs=3).freeze()
    histories = Histories.from_events(data.train, N_USERS)
    torch.testing.assert_close(scorer.score_histories(histories), scorer.score_users(torch.arange(N_USERS)), atol=1e-4, rtol=1e-4)
    forth, back = scorer.score_histories(Histories.from_lists([[1, 2, 3], [3, 2, 1]]))
    assert not torch.allclose(forth, back, atol=1e-3)


def test_a_new_item_is_ranked_by_its_text() -> None:
    """Item 6 is in no history; by its text it lies between 5 and 7."""
    scores = (
        trained(spec(hidden_item=6), dropout={"modality": 0.5, "feature": 0.0}).freeze().score_histories(Histories.from_lists([[3, 4, 5]]))
    )
    assert scores[0].argsort(descending=True)[:4].tolist().count(6) == 1


def test_it_says_what_it_attends_to_and_a_modality_can_be_hidden() -> None:
    model = trained(spec(), n_epochs=2)
    assert model.modalities == ("collaborative", "text") and model.present.shape == (N_ITEMS, 2)
    scorer, without = model.freeze(), model.freeze(hidden=["text"])
    assert scorer.attention.shape == (N_ITEMS, 2)
    assert not torch.equal(scorer.score_users(torch.arange(3)), without.score_users(torch.arange(3)))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"objective": "bpr"}, "objective: expected softmax or gbce"),
        ({"dropout": {"token": 0.1}}, "dropout: expected modality, feature"),
        ({"transformer": {"n_layer": 1}}, r"transformer\.n_layer: there is no such argument; did you mean `n_layers`"),
    ],
)
def test_values_out_of_range_are_refused(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        SequenceFusion(spec(), **arguments)


def test_times_are_needed() -> None:
    with pytest.raises(LackingData, match="needs the times of interactions"):
        SequenceFusion(DatasetSpec(2, 2, Interactions(torch.tensor([0, 1]), torch.tensor([0, 1]))))
