"""Row-wise Adagrad: an optimizer for large embedding tables, whose step costs in proportion to the rows in the batch, not the table."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor


class RowWiseAdagrad(torch.optim.Optimizer):
    """Adagrad (Duchi et al. 2011) with one accumulator per row, the sum over steps of the mean squared gradient:

        a_r += mean(g_r²),   w_r -= lr · g_r / (√a_r + eps)

    as in Gupta et al. 2014 and the exact row-wise Adagrad of FBGEMM. It stores one number per row, whereas Adam stores two rows. Rows
    without gradient are neither read nor written, so sparse (`nn.Embedding(sparse=True)`) and dense gradients give the same result.
    Parameters with fewer than two dimensions have an accumulator per element.
    """

    def __init__(self, params: Iterable[Any], lr: float, eps: float, weight_decay: float) -> None:
        if lr < 0 or eps <= 0:
            raise ValueError(f"lr and eps: expected at least 0 and above 0, found {lr} and {eps}")
        if weight_decay:
            raise ValueError(f"weight_decay: expected 0, since it would update every row in every step, found {weight_decay}")
        super().__init__(params, {"lr": lr, "eps": eps})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, parameter.grad, group["lr"], group["eps"])
        return loss

    def _update(self, parameter: Tensor, grad: Tensor, lr: float, eps: float) -> None:
        state = self.state[parameter]
        if not state:
            state["sum"] = parameter.new_zeros(len(parameter) if parameter.ndim > 1 else parameter.shape)
        if grad.is_sparse:
            grad = grad.coalesce()
            _update_rows(parameter, state["sum"], grad.indices()[0], grad.values(), lr, eps)
            return
        state["sum"].add_(grad.square().flatten(1).mean(dim=1) if parameter.ndim > 1 else grad.square())
        root = state["sum"].sqrt().add_(eps)
        parameter.sub_(lr * grad / root.view(-1, *[1] * (parameter.ndim - 1)) if parameter.ndim > 1 else lr * grad / root)


def _update_rows(
    table: Float[Tensor, "n_rows dim"],
    sums: Float[Tensor, " n_rows"],
    rows: Int64[Tensor, " n"],
    grad: Float[Tensor, "n dim"],
    lr: float,
    eps: float,
) -> None:
    """Update distinct rows in place."""
    total = sums[rows] + grad.square().mean(dim=1)
    sums[rows] = total
    table.index_add_(0, rows, grad / (total.sqrt() + eps)[:, None], alpha=-lr)
