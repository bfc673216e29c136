"""Ridge regressions of many rows at once: one regression for each user, or for each item."""

from typing import NamedTuple, Self

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmrec.nn.propagation import assemble_csr


class Cells(NamedTuple):
    """The known cells of a matrix, in the order of rows, and which of them a row has."""

    row: Int64[Tensor, " n"]
    column: Int64[Tensor, " n"]
    values: Float[Tensor, " n"]
    matrix: Float[Tensor, "n_rows n_columns"]
    """The cells as ones, in CSR format."""

    @classmethod
    def build(cls, row: Int64[Tensor, " n"], column: Int64[Tensor, " n"], values: Float[Tensor, " n"], shape: tuple[int, int]) -> Self:
        """Sort the cells; no cell occurs twice."""
        order = (row * shape[1] + column).argsort()
        row, column, values = row[order], column[order], values[order]
        starts = torch.cat([row.new_zeros(1), torch.bincount(row, minlength=shape[0]).cumsum(0)])
        return cls(row, column, values, assemble_csr(starts, column, torch.ones_like(values), shape))

    def sums(self, of_cells: Float[Tensor, "n dim"]) -> Float[Tensor, "n_rows dim"]:
        """Return the sums of values of cells by row."""
        return of_cells.new_zeros(self.matrix.shape[0], of_cells.shape[1]).index_add_(0, self.row, of_cells)

    def grams(self, features: Float[Tensor, "n_columns dim"]) -> Float[Tensor, "n_rows dim dim"]:
        """Return `Σ f fᵀ` over the features of each row's columns, without the outer product of every cell."""
        parts = [self.matrix @ (features[:, k, None] * features) for k in range(features.shape[1])]
        return torch.stack(parts, dim=1)


def ridge_rows(
    cells: Cells, features: Float[Tensor, "n_columns dim"], targets: Float[Tensor, " n"], penalty: Float[Tensor, " n_rows"]
) -> Float[Tensor, "n_rows dim"]:
    """Minimise `Σ_c (target_rc - w_r · features_c)² + penalty_r ‖w_r‖²` for every row r over its cells; rows without cells are zero.

    Args:
        cells: the cells.
        features: the regressors of each column.
        targets: what is regressed, for each cell.
        penalty: of each row, above 0.
    """
    gram = cells.grams(features)
    gram.diagonal(dim1=1, dim2=2).add_(penalty[:, None])
    sums = cells.sums(features[cells.column] * targets[:, None])
    return torch.cholesky_solve(sums[:, :, None], torch.linalg.cholesky(gram))[:, :, 0]
