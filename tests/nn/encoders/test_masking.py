"""Tokens hidden for masked language modelling: how many, which never, and what stands in their place."""

import torch

from mmrec.nn.encoders.masking import NOT_MASKED, mask_tokens, pad_rows

MASK, N_TOKENS = 4, 1000


def test_fifteen_percent_are_chosen_of_which_eight_in_ten_are_masked_and_one_is_exchanged() -> None:
    ids = torch.randint(5, N_TOKENS, (200, 100), generator=torch.Generator().manual_seed(0))
    special = torch.zeros_like(ids, dtype=torch.bool)
    special[:, 0] = True
    shown, labels = mask_tokens(ids, special, MASK, N_TOKENS, torch.Generator().manual_seed(1))
    chosen = labels != NOT_MASKED
    assert abs(float(chosen[:, 1:].float().mean()) - 0.15) < 0.01 and not chosen[:, 0].any()
    assert labels[chosen].equal(ids[chosen]) and shown[~chosen].equal(ids[~chosen])
    kept, masked = shown[chosen] == ids[chosen], shown[chosen] == MASK
    assert abs(float(masked.float().mean()) - 0.8) < 0.02 and abs(float(kept.float().mean()) - 0.1) < 0.02
    again, _ = mask_tokens(ids, special, MASK, N_TOKENS, torch.Generator().manual_seed(1))
    assert again.equal(shown)


def test_at_least_one_token_is_chosen_but_never_padding() -> None:
    ids, mask = pad_rows([torch.tensor([2, 7, 3]), torch.tensor([2, 3])], 0)
    assert ids.tolist() == [[2, 7, 3], [2, 3, 0]] and mask.tolist() == [[1, 1, 1], [1, 1, 0]]
    for seed in range(20):
        _, labels = mask_tokens(ids, ids != 7, MASK, N_TOKENS, torch.Generator().manual_seed(seed))
        assert (labels != NOT_MASKED).nonzero().tolist() == [[0, 1]]
