"""The initial biases of items: their popularity."""

import torch
from jaxtyping import Float
from torch import Tensor

from mmrec.types import DatasetSpec

_BIAS_SCALE = 0.15
"""The scale of the logarithm of popularity: with it, the softmax of item biases at the temperature of conf/loss/ is the popularity."""


def scaled_log_popularity(spec: DatasetSpec) -> Float[Tensor, " n_items"]:
    """The scaled logarithm of item popularity minus its mean; zero for items without interactions."""
    counts = torch.bincount(spec.train.item_idx, minlength=spec.n_items)
    logarithm = torch.log1p(counts)
    return _BIAS_SCALE * torch.where(counts > 0, logarithm - logarithm[counts > 0].mean(), 0.0)
