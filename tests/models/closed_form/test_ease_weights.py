"""mmrec.models.closed_form.ease_weights: equal to the inverse written out, whatever the blocks."""

import pytest
import torch

from mmrec.models.closed_form.ease_weights import ease_weights


@pytest.mark.parametrize("rows", [1, 3, 1024])
@pytest.mark.parametrize("n", [0, 1, 7])
def test_equal_to_the_inverse(rows: int, n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmrec.models.closed_form.ease_weights._ROWS", rows)
    matrix = (torch.rand(30, n, generator=torch.Generator().manual_seed(0)) < 0.4).double()
    inverse = torch.linalg.inv(matrix.T @ matrix + 2.0 * torch.eye(n, dtype=torch.float64))
    expected = (-inverse / inverse.diagonal()).fill_diagonal_(0).float()
    torch.testing.assert_close(ease_weights(matrix.T @ matrix, 2.0), expected, atol=1e-6, rtol=1e-5)
