"""Half-steps of weighted matrix factorisation: one ridge regression per row, in batches and single precision."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmrec.data.interactions.matrix import InteractionMatrix

_BATCH_FLOATS = 2**20
"""The number of floats in the vectors of a batch, about the size of a core's cache."""
_EXACT = 256
"""Rows with at most this many entries, or factors, are solved exactly; for others, conjugate gradients stop early, since the next half-step
continues from the result."""
_STEPS = 6


class _Side(NamedTuple):
    """The vectors that a half-step keeps fixed, in the basis in which `QᵀQ` is diagonal."""

    vectors: Float[Tensor, "n_plus_1 dim"]
    """The last row is 0, for padding."""
    values: Float[Tensor, " dim"]
    """The diagonal of `QᵀQ`."""
    basis: Float[Tensor, "dim dim"]


def solve_rows(
    rows: InteractionMatrix,
    fixed: Float[Tensor, "n dim"],
    alpha: float,
    regularization: Float[Tensor, " n_rows"],
    start: Float[Tensor, "n_rows dim"],
) -> Float[Tensor, "n_rows dim"]:
    """The vectors `(QᵀQ + (alpha - 1) Q_uᵀQ_u + λ_u I)⁻¹ alpha Σ q_i`, Q being `fixed` and Q_u its rows for row u (Hu et al. 2008, eq. 4).

    `QᵀQ + λ_u I` is inverted for all rows by one eigendecomposition. Rows with few entries become systems of as many equations by
    `(M + c QᵀQ)⁻¹ Qᵀ = M⁻¹ Qᵀ (I + c Q M⁻¹ Qᵀ)⁻¹`; the others are solved by conjugate gradients from `start` with M as the preconditioner,
    for which the condition number is at most alpha, or 1 / alpha.
    """
    values, basis = torch.linalg.eigh((fixed.T @ fixed).double())
    basis = basis.float()
    side = _Side(torch.cat([fixed @ basis, fixed.new_zeros(1, fixed.shape[1])]), values.clamp(min=0).float(), basis)
    found, begun = fixed.new_zeros(rows.n_users, fixed.shape[1]), start @ basis
    for users, entries in _batches(rows, fixed.shape[1]):
        gathered = side.vectors[entries]
        diagonal = side.values + regularization[users, None]
        if min(entries.shape[1], fixed.shape[1]) <= _EXACT:
            found[users] = _solve_exactly(gathered, diagonal, alpha, entries < len(fixed))
        else:
            found[users] = _descend(gathered, diagonal, alpha, begun[users])
    solved: Tensor = found @ basis.T
    return solved


def _batches(rows: InteractionMatrix, dim: int) -> Iterator[tuple[Int64[Tensor, " batch"], Int64[Tensor, "batch longest"]]]:
    """Yield batches of nonempty rows of similar length with their entries, padded by `n_items`."""
    order = rows.degree.argsort(stable=True)
    order = order[rows.degree[order] > 0]
    degree, start = rows.degree[order], 0
    while start < len(order):
        stop = start + max(1, _BATCH_FLOATS // (dim * int(degree[start])))
        stop = start + max(1, _BATCH_FLOATS // (dim * int(degree[min(stop, len(order)) - 1])))
        users = order[start:stop]
        position, entries = rows.rows(users)
        counts = rows.degree[users]
        place = torch.arange(len(entries)) - (counts.cumsum(0) - counts)[position]
        padded = torch.full((len(users), int(counts.max())), rows.n_items)
        padded[position, place] = entries
        yield users, padded
        start = stop


def _solve_exactly(
    gathered: Float[Tensor, "batch n dim"], diagonal: Float[Tensor, "batch dim"], alpha: float, present: Tensor
) -> Float[Tensor, "batch dim"]:
    """Solve by Cholesky decomposition, in as many dimensions as there are entries or factors, whichever is less."""
    n, dim = gathered.shape[1:]
    if n <= dim:
        scaled = gathered / diagonal[:, None]
        system = (alpha - 1) * scaled @ gathered.mT + torch.eye(n)
        weights = torch.cholesky_solve(present.float()[..., None], torch.linalg.cholesky(system))
        return alpha * (weights.mT @ scaled)[:, 0]
    system = (alpha - 1) * gathered.mT @ gathered + torch.diag_embed(diagonal)
    return torch.cholesky_solve(alpha * gathered.sum(dim=1)[..., None], torch.linalg.cholesky(system))[..., 0]


def _descend(
    gathered: Float[Tensor, "batch n dim"], diagonal: Float[Tensor, "batch dim"], alpha: float, start: Float[Tensor, "batch dim"]
) -> Float[Tensor, "batch dim"]:
    """`_STEPS` steps of preconditioned conjugate gradients (Golub & Van Loan 2013, algorithm 11.5.1)."""

    def times(one: Tensor) -> Tensor:
        product = torch.bmm(gathered.mT, torch.bmm(gathered, one[..., None]))[..., 0]
        return diagonal * one + (alpha - 1) * product

    found = start
    residual = alpha * gathered.sum(dim=1) - times(found)
    direction = residual / diagonal
    energy = (residual * direction).sum(dim=1, keepdim=True)
    for _ in range(_STEPS):
        moved = times(direction)
        step = energy / (direction * moved).sum(dim=1, keepdim=True).clamp(min=1e-30)
        found, residual = found + step * direction, residual - step * moved
        preconditioned = residual / diagonal
        previous, energy = energy, (residual * preconditioned).sum(dim=1, keepdim=True)
        direction = preconditioned + energy / previous.clamp(min=1e-30) * direction
    return found
