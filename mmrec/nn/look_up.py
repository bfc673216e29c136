"""Rows of a table by their numbers, for training."""

import torch
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


def rows_of(values: Tensor, idx: Int64[Tensor, "..."] | None) -> Tensor:
    """The rows of a tensor, all of them without `idx`. Of real numbers by `embedding`, whose backward is far faster than that of indexing
    and adds up in a fixed order whatever the number of threads.
    """
    if idx is None:
        return values
    if not values.is_floating_point():
        return values[idx]
    return F.embedding(idx, values) if values.ndim == 2 else F.embedding(idx, values[:, None]).squeeze(-1)


def distinct(idx: Int64[Tensor, " n"], n_rows: int) -> tuple[Int64[Tensor, " n_distinct"], Int64[Tensor, " n"]]:
    """The numbers below `n_rows` that occur, ascending, and of each in `idx` the place among them; on a GPU, which would have to be waited
    for, every place of `idx` counts for itself."""
    if idx.device.type != "cpu":
        return idx, torch.arange(len(idx), device=idx.device)
    occurs = torch.zeros(n_rows, dtype=torch.bool)
    occurs[idx] = True
    return occurs.nonzero().flatten(), (occurs.cumsum(dim=0) - 1)[idx]
