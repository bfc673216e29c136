"""mmrec.models.content.dropoutnet: the squared error of the factors' products; hidden factors do without."""

import pytest
import torch

from mmrec.data.batches.train_batches import TrainBatch
from mmrec.models.content.dropoutnet import DropoutNet
from mmrec.testing.checkerboard import N_WARM, all_warm_of_ones_colour, spec_of_colours

SPEC = spec_of_colours(all_warm_of_ones_colour())
BATCH = TrainBatch(
    torch.tensor([3, 5]),
    torch.tensor([0, 0, 1]),
    torch.tensor([1, 3, 7]),
    torch.tensor([2, 4, 9]),
    torch.tensor([[True, True, False], [True, True, True]]),
    torch.rand(3),
    torch.tensor(1.0),
)


@pytest.mark.parametrize("dropout", [0.0, 1.0])
def test_the_loss_is_the_mean_squared_error_over_the_pairs(dropout: float) -> None:
    model = DropoutNet(SPEC, embedding_dim=4, hidden_dim=6, dropout=dropout)
    users = model.of_user(model.user_factors)
    items = model.of_item(model.of_factors(model.item_factors * (1 - dropout)) + model.content())
    error = (users @ items.T - model.user_factors @ model.item_factors.T).pow(2)
    pairs = [(3, 1), (3, 3), (5, 7), (3, 2), (3, 4), (5, 2), (5, 4), (5, 9)]
    expected = torch.stack([error[pair] for pair in pairs]).mean()
    torch.testing.assert_close(model.score_batch(BATCH, torch.Generator()).extra, expected)


def test_new_items_have_no_factors() -> None:
    model = DropoutNet(SPEC, embedding_dim=4, hidden_dim=6)
    assert not model.item_factors[N_WARM:].any() and model.item_factors[:N_WARM].any(dim=1).all()
    with pytest.raises(ValueError, match=r"dropout: expected a share from 0 to 1, found 1.5"):
        DropoutNet(SPEC, dropout=1.5)
