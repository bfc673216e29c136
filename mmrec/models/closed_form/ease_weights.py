"""Compute the weights of EASE, ridge regressions of every item on all others, by a single matrix inverse."""

import torch
from jaxtyping import Float, Float64
from scipy.linalg import cho_factor
from scipy.linalg.lapack import dpotri
from torch import Tensor

_ROWS = 1024


def ease_weights(gram: Float64[Tensor, "n n"], regularization: float) -> Float[Tensor, "n n"]:
    """`B_ij = -P_ij / P_jj` with zero diagonal, for `P = (gram + regularization I)⁻¹` (Steck 2019, eq. 8), in single precision.

    `gram` is overwritten; no memory is needed besides it and the weights.
    """
    gram.diagonal().add_(regularization)
    factor, _ = cho_factor(gram.numpy().T, lower=True, overwrite_a=True, check_finite=False)  # LAPACK is column-major
    inverse = torch.from_numpy(dpotri(factor, lower=True, overwrite_c=True)[0].T)  # the upper triangle only, row-major again
    weights = torch.empty(gram.shape)
    for start in range(0, len(gram), _ROWS):
        rows = slice(start, start + _ROWS)
        square, right = inverse[rows, rows].triu(), inverse[rows, start + _ROWS :]
        weights[rows, rows] = (square + square.triu(1).T).float()
        weights[rows, start + _ROWS :] = right.float()
        weights[start + _ROWS :, rows] = right.T.float()
    return weights.div_(-weights.diagonal().clone()).fill_diagonal_(0)
