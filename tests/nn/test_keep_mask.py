"""Dropout's mask: as many zeros as asked for, everywhere alike, and independent of each other."""

import pytest
import torch

from mmrec.nn.keep_mask import keep_mask


@pytest.mark.parametrize("dropout", [0.01, 0.3, 0.5, 0.95])
def test_as_many_are_dropped_as_asked_for_at_every_place(dropout: float) -> None:
    torch.manual_seed(0)
    n, width = 40_000, 8
    mask = keep_mask(torch.empty(n, width), dropout)
    assert mask.shape == (n, width) and set(mask.unique().tolist()) == {0, 1}
    deviation = (dropout * (1 - dropout) / n) ** 0.5
    assert ((1 - mask.double().mean(dim=0) - dropout).abs() < 4 * deviation).all()
    together = mask.double().T.corrcoef() - torch.eye(width)  # neither within the four that a random word is cut into, nor between words
    assert together.abs().max() < 5 * n**-0.5


def test_without_dropout_all_are_kept() -> None:
    assert keep_mask(torch.empty(5, 300), 0.0).all()


def test_it_is_drawn_from_the_seed() -> None:
    masks = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        masks.append(keep_mask(torch.empty(9, 5), 0.5))
    assert torch.equal(masks[0], masks[1]) and not torch.equal(masks[0], masks[2])


def test_of_nothing_there_is_nothing() -> None:
    assert keep_mask(torch.empty(0, 4), 0.3).shape == (0, 4)
