"""mmrec.models.content.melu: the layers are adapted to a user's own items, given items are not scored, and profiles are one-hot."""

import polars as pl
import torch

from mmrec.data.interactions.histories import Histories
from mmrec.models.content.melu import MeLU, one_hot
from mmrec.testing.checkerboard import most_of_ones_colour, spec_of_colours

SPEC = spec_of_colours(most_of_ones_colour())


def test_steps_raise_the_scores_of_the_given_items() -> None:
    torch.manual_seed(0)
    given, n_items = Histories.from_lists([[0, 2, 4], [1, 3]]), SPEC.n_items
    still, adapted = (MeLU(SPEC, embedding_dim=4, hidden_dim=8, n_steps=n) for n in (0, 5))
    adapted.load_state_dict(still.state_dict())
    before, after = (model.freeze().score_histories(given) for model in (still, adapted))
    owned = given.matrix(n_items)
    mine = torch.zeros(2, n_items, dtype=torch.bool)
    mine[owned.rows(torch.arange(2))] = True
    gain = (after - after.mean(dim=1, keepdim=True)) - (before - before.mean(dim=1, keepdim=True))
    assert (gain.masked_fill(~mine, 0).sum(dim=1) > 0).all()
    assert torch.equal(before[0], before[1])  # without steps and profiles, users do not differ


def test_columns_with_few_values_become_one_hot() -> None:
    table = pl.DataFrame({"user_id": ["a", "b", "c"], "sex": ["f", "m", "f"], "one": ["x"] * 3})
    assert one_hot(table, 3).tolist() == [[1.0, 0.0, 1.0], [0.0, 1.0, 1.0], [1.0, 0.0, 1.0]]
    assert one_hot(None, 2).tolist() == [[1.0], [1.0]]
