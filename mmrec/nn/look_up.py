"""Rows of a table by their numbers, for training."""

import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor


def look_up(table: Float[Tensor, "n_rows dim"], idx: Int64[Tensor, "*n"]) -> Float[Tensor, "*n dim"]:
    """`table[idx]`, whose backward adds up the gradients of equal rows in the order of `idx`, to the bit whatever the device.

    Indexing itself is far slower backward. On the CPU `index_select` is two to three times as fast as `embedding`, and on a GPU it would
    add in any order.
    """
    if table.device.type != "cpu":
        return F.embedding(idx, table)
    return table.index_select(0, idx.flatten()).view(*idx.shape, table.shape[1])
