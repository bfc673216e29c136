"""mmrec.models.closed_form.least_squares: every row solves its dense normal equations, however it is solved."""

import pytest
import torch

from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.models.closed_form.least_squares import solve_rows

N_ROWS, N, DIM = 30, 80, 12
GENERATOR = torch.Generator().manual_seed(0)
X = torch.rand(N_ROWS, N, generator=GENERATOR) < torch.linspace(0, 1, N_ROWS)[:, None]
ROWS = InteractionMatrix.from_pairs(*X.nonzero().unbind(1), N_ROWS, N)
FIXED = torch.randn(N, DIM, generator=GENERATOR)
REGULARIZATION = torch.linspace(0.5, 20, N_ROWS)


def by_dense_matrices(alpha: float) -> torch.Tensor:
    fixed, found = FIXED.double(), []
    for row, regularization in zip(X.double(), REGULARIZATION.double(), strict=True):
        confidence = torch.where(row > 0, alpha, 1.0)
        left = fixed.T @ (confidence[:, None] * fixed) + regularization * torch.eye(DIM)
        found.append(torch.linalg.solve(left, fixed.T @ (confidence * row)))
    return torch.stack(found).float()


@pytest.mark.parametrize("exact", [32, 4], ids=["exact", "gradients"])
@pytest.mark.parametrize("floats", [1, 1000, 2**20])
@pytest.mark.parametrize("alpha", [0.2, 1.0, 3.0, 40.0])
def test_equal_to_dense_matrices(alpha: float, floats: int, exact: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmrec.models.closed_form.least_squares._BATCH_FLOATS", floats)
    monkeypatch.setattr("mmrec.models.closed_form.least_squares._EXACT", exact)
    monkeypatch.setattr("mmrec.models.closed_form.least_squares._STEPS", 14)
    found = solve_rows(ROWS, FIXED, alpha, REGULARIZATION, torch.zeros(N_ROWS, DIM))
    torch.testing.assert_close(found, by_dense_matrices(alpha), atol=1e-4, rtol=1e-3)


def test_few_steps_get_near(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmrec.models.closed_form.least_squares._EXACT", 4)
    found = solve_rows(ROWS, FIXED.repeat(1, 4), 3.0, REGULARIZATION, torch.zeros(N_ROWS, 4 * DIM))
    many = solve_rows(ROWS, FIXED.repeat(1, 4), 3.0, REGULARIZATION, found)
    torch.testing.assert_close(found, many, atol=1e-3, rtol=1e-2)
