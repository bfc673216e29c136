"""Products of constant sparse matrices with dense ones, with a backward as fast as the forward, on CPU and CUDA.

PyTorch's backward of `sparse_csr @ dense` transposes the matrix at every step. Here the transpose is stored once, or is the matrix itself
if it is symmetric. Gradients flow to the dense matrix only.
"""

import functools
import warnings
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from mmrec.data.interactions.matrix import InteractionMatrix


def csr_matrix(row: Int64[Tensor, " n"], col: Int64[Tensor, " n"], values: Float[Tensor, " n"], shape: tuple[int, int]) -> Tensor:
    """Build a sparse CSR matrix from entries in any order; entries at the same position are summed."""
    _silence_beta_warning()
    return torch.sparse_coo_tensor(torch.stack([row, col]), values, shape, check_invariants=True).coalesce().to_sparse_csr()


def assemble_csr(crow: Int64[Tensor, " n_rows_plus_1"], col: Int64[Tensor, " nnz"], values: Tensor, shape: tuple[int, int]) -> Tensor:
    """Build a sparse CSR matrix that shares the memory of its parts, which are not checked."""
    _silence_beta_warning()
    return torch.sparse_csr_tensor(crow, col, values, shape, check_invariants=False)


def transpose(matrix: Tensor) -> Tensor:
    """The transpose of a CSR matrix, in CSR."""
    row, col = _rows(matrix), matrix.col_indices()
    return csr_matrix(col, row, matrix.values(), (matrix.shape[1], matrix.shape[0]))


def normalized_bipartite(user_idx: Int64[Tensor, " n"], item_idx: Int64[Tensor, " n"], n_users: int, n_items: int) -> Tensor:
    """D^-1/2 A D^-1/2 of the user-item graph, square in CSR with users before items: a LightGCN step (He et al. 2020, eq. 3, 8).

    Repeated interactions count once; nodes without interactions have zero rows.
    """
    owned = InteractionMatrix.from_pairs(user_idx, item_idx, n_users, n_items)
    user, item = owned.rows(torch.arange(n_users, device=user_idx.device))
    item = item + n_users
    row, col = torch.cat([user, item]), torch.cat([item, user])
    degree = torch.bincount(row, minlength=n_users + n_items).double()
    values = (degree[row] * degree[col]).rsqrt().float()
    return csr_matrix(row, col, values, (n_users + n_items, n_users + n_items))


class SparsePropagation(torch.autograd.Function):
    """matrix @ x; the gradient with respect to x is transpose @ grad. Differentiable any number of times."""

    @staticmethod
    def forward(ctx: Any, matrix: Tensor, matrix_t: Tensor, x: Tensor) -> Tensor:
        ctx.matrix, ctx.matrix_t, ctx.dtype = matrix, matrix_t, x.dtype
        return _product(matrix, x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[None, None, Tensor]:
        return None, None, SparsePropagation.apply(ctx.matrix_t, ctx.matrix, grad).to(ctx.dtype)


class PowersPropagation(torch.autograd.Function):
    """The mean of x, A @ x, …, A^n @ x for a symmetric CSR matrix A; as a polynomial of A, its gradient is itself applied to grad.

    Stores nothing for the backward, whereas a chain of products and sums would store every term.
    """

    @staticmethod
    def forward(ctx: Any, matrix: Tensor, n: int, x: Tensor) -> Tensor:
        ctx.matrix, ctx.n, ctx.dtype = matrix, n, x.dtype
        total = power = x.detach().to(matrix.dtype)
        for i in range(n):
            power = _product(matrix, power)
            total = total + power if i == 0 else total.add_(power)
        return total.div_(n + 1) if n else total.clone()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[None, None, Tensor]:
        return None, None, PowersPropagation.apply(ctx.matrix, ctx.n, grad).to(ctx.dtype)


def _product(matrix: Tensor, x: Float[Tensor, "n_columns dim"]) -> Float[Tensor, "n_rows dim"]:
    """matrix @ x without gradients, in the precision of the matrix. On a CPU, the embedding bag kernel is two to three times as fast."""
    x = x.detach().to(matrix.dtype).contiguous()
    if x.device.type == "cpu" and x.numel() and x.dtype == torch.float32:
        offsets, values = matrix.crow_indices(), matrix.values()
        return F.embedding_bag(matrix.col_indices(), x, offsets, mode="sum", per_sample_weights=values, include_last_offset=True)
    with torch.autocast(x.device.type, enabled=False):  # CSR products have no bfloat16 kernel on the CPU
        return matrix @ x


def propagate(matrix: Tensor, matrix_t: Tensor, x: Float[Tensor, "n_columns dim"]) -> Float[Tensor, "n_rows dim"]:
    """matrix @ x for CSR `matrix: (n_rows, n_columns)` and its stored transpose, in the precision of the matrix."""
    product: Tensor = SparsePropagation.apply(matrix, matrix_t, x)
    return product


def symmetric_propagation(adjacency: Tensor, x: Float[Tensor, "n dim"]) -> Float[Tensor, "n dim"]:
    """adjacency @ x for a symmetric CSR matrix, which is its own transpose."""
    product: Tensor = SparsePropagation.apply(adjacency, adjacency, x)
    return product


class CsrBuffer(nn.Module):
    """Holds a constant CSR matrix as three dense buffers, which move with the module and are not part of checkpoints.

    A sparse buffer breaks deepcopy, the broadcast of DDP or `state_dict` in various releases of PyTorch. The matrix is float32 or float64,
    whatever the module is cast to.
    """

    crow: Int64[Tensor, " n_rows_plus_1"]
    col: Int64[Tensor, " nnz"]
    values: Float[Tensor, " nnz"]

    def __init__(self, matrix: Tensor) -> None:
        super().__init__()
        self.shape = (matrix.shape[0], matrix.shape[1])
        self.register_buffer("crow", matrix.crow_indices(), persistent=False)
        self.register_buffer("col", matrix.col_indices(), persistent=False)
        self.register_buffer("values", matrix.values(), persistent=False)

    @property
    def matrix(self) -> Tensor:
        """The matrix on the current device of the module; shares the memory of the buffers."""
        values = self.values if self.values.dtype == torch.float64 else self.values.float()
        return assemble_csr(self.crow, self.col, values, self.shape)


class Propagation(nn.Module):
    """Multiplies by a constant CSR matrix, (n_columns, dim) -> (n_rows, dim). With `symmetric`, the matrix serves as its own transpose."""

    def __init__(self, matrix: Tensor, symmetric: bool) -> None:
        super().__init__()
        self.csr = CsrBuffer(matrix)
        self.csr_t = self.csr if symmetric else CsrBuffer(transpose(matrix))

    def forward(self, x: Float[Tensor, "n_columns dim"]) -> Float[Tensor, "n_rows dim"]:
        matrix = self.csr.matrix
        return propagate(matrix, matrix if self.csr_t is self.csr else self.csr_t.matrix, x)

    def mean_of_powers(self, x: Float[Tensor, "n dim"], n: int) -> Float[Tensor, "n dim"]:
        """The mean of x, matrix @ x, …, matrix^n @ x, for symmetric matrices only."""
        if self.csr_t is not self.csr:
            raise ValueError("mean_of_powers: expected a symmetric matrix, found one with a separate transpose")
        mean: Tensor = PowersPropagation.apply(self.csr.matrix, n, x)
        return mean


def _rows(matrix: Tensor) -> Int64[Tensor, " nnz"]:
    """The row of every stored entry."""
    crow = matrix.crow_indices()
    return torch.repeat_interleave(torch.arange(matrix.shape[0], device=crow.device), crow.diff())


@functools.cache
def _silence_beta_warning() -> None:
    """Trigger and suppress PyTorch's warning, once per process, that CSR support is in beta."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta state")
        torch.zeros(1, 1).to_sparse_csr()
