"""The weights of EASE: of every item a ridge regression on all others, by one inverse."""

import torch
from jaxtyping import Float, Float64
from scipy.linalg import cho_factor
from scipy.linalg.lapack import dpotri
from torch import Tensor

_ROWS = 1024


def ease_weights(gram: Float64[Tensor, "n n"], regularization: float) -> Float[Tensor, "n n"]:
    """`B_ij = -P_ij / P_jj`, zero where i = j, of `P = (gram + regularization I)⁻¹` (Steck 2019, eq. 8), in single precision.

    `gram` is written over: beside it and the weights no memory is needed.
    """
    gram.diagonal().add_(regularization)
    factor, _ = cho_factor(gram.numpy().T, lower=True, overwrite_a=True, check_finite=False)  # LAPACK's matrices are by columns
    inverse = torch.from_numpy(dpotri(factor, lower=True, overwrite_c=True)[0].T)  # its upper triangle alone, in rows again
    weights = torch.empty(gram.shape)
    for start in range(0, len(gram), _ROWS):
        rows = slice(start, start + _ROWS)
        square, right = inverse[rows, rows].triu(), inverse[rows, start + _ROWS :]
        weights[rows, rows] = (square + square.triu(1).T).float()
        weights[rows, start + _ROWS :] = right.float()
        weights[start + _ROWS :, rows] = right.T.float()
    return weights.div_(-weights.diagonal().clone()).fill_diagonal_(0)
