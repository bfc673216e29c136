"""Hide tokens for masked language modelling (Devlin et al. 2019, section 3.1)."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

NOT_MASKED = -100
"""The label of tokens that are not to be predicted."""
_SHARE, _REPLACED_BY_MASK, _REPLACED_BY_OTHER = 0.15, 0.8, 0.1


def pad_rows(rows: Sequence[Int64[Tensor, " _length"]], pad_token_id: int) -> tuple[Int64[Tensor, "n longest"], Int64[Tensor, "n longest"]]:
    """Token ids padded to the length of the longest row, and a mask that is 1 at tokens."""
    padded = torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True, padding_value=pad_token_id)
    lengths = torch.tensor([len(row) for row in rows])
    return padded, (torch.arange(padded.shape[1]) < lengths[:, None]).long()


def mask_tokens(
    ids: Int64[Tensor, "n length"], special: Bool[Tensor, "n length"], mask_token_id: int, n_tokens: int, generator: torch.Generator
) -> tuple[Int64[Tensor, "n length"], Int64[Tensor, "n length"]]:
    """Choose 15% of the tokens, at least one, and replace 80% of them by the mask token and 10% by random tokens.

    Args:
        ids: the token ids.
        special: tokens that are never chosen: special tokens and padding.
        mask_token_id: the id of the mask token.
        n_tokens: the size of the vocabulary.
        generator: the source of randomness, on the CPU.

    Returns:
        The ids to show, and the labels: the original id of chosen tokens, `NOT_MASKED` elsewhere.
    """
    noise = torch.rand(ids.shape, generator=generator).masked_fill(special, 1.0)
    chosen = ((noise < _SHARE) | (noise == noise.min())) & ~special
    labels = torch.where(chosen, ids, NOT_MASKED)
    kind = torch.rand(ids.shape, generator=generator)
    others = torch.randint(n_tokens, ids.shape, generator=generator)
    replaced = torch.where(kind < _REPLACED_BY_MASK, mask_token_id, torch.where(kind < _REPLACED_BY_MASK + _REPLACED_BY_OTHER, others, ids))
    return torch.where(labels == NOT_MASKED, ids, replaced), labels
