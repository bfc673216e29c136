"""Select rows of tensors by index, with a fast and deterministic backward."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor


def look_up(table: Float[Tensor, "n_rows dim"], idx: Int64[Tensor, "*n"]) -> Float[Tensor, "*n dim"]:
    """`table[idx]`, with a backward that accumulates the gradients of repeated rows in the order of `idx` on every device.

    Plain indexing has a far slower backward. On the CPU, `index_select` is two to three times as fast as `embedding`, but on a GPU its
    backward is not deterministic.
    """
    if table.device.type != "cpu":
        return F.embedding(idx, table)
    return table.index_select(0, idx.flatten()).view(*idx.shape, table.shape[1])


def rows_of(values: Tensor, idx: Int64[Tensor, "..."] | None) -> Tensor:
    """The rows `idx` of a tensor, or all rows if `idx` is None.

    Floating-point rows are selected by `embedding`, whose backward is far faster than that of indexing and accumulates in a fixed order for
    any number of threads.
    """
    if idx is None:
        return values
    if not values.is_floating_point():
        return values[idx]
    return F.embedding(idx, values) if values.ndim == 2 else F.embedding(idx, values[:, None]).squeeze(-1)


def distinct(idx: Int64[Tensor, " n"], n_rows: int) -> tuple[Int64[Tensor, " n_distinct"], Int64[Tensor, " n"]]:
    """The distinct values in `idx`, ascending, and the position of each element of `idx` among them.

    On a GPU, where the number of distinct values would force a synchronisation, `idx` is returned with repetitions.
    """
    if idx.device.type != "cpu":
        return idx, torch.arange(len(idx), device=idx.device)
    occurs = torch.zeros(n_rows, dtype=torch.bool)
    occurs[idx] = True
    return occurs.nonzero().flatten(), (occurs.cumsum(dim=0) - 1)[idx]
