"""mmrec.models.content.kernel_ridge: equal to its formula, in the dual and in the primal form; memory is bounded."""

import numpy as np
import pytest
import torch

from mmrec.models.content import ridge
from mmrec.models.content.content_matrix import read_content
from mmrec.models.content.kernel_ridge import KernelRidge
from mmrec.models.recommender import LackingData
from mmrec.types import DatasetSpec, Features, Interactions

N_USERS, N_ITEMS = 20, 15
X = (torch.rand(N_USERS, N_ITEMS, generator=torch.Generator().manual_seed(0)) < 0.4).double()
X[:, 12:] = 0
X[0, 0] = 1


def make_spec(dim: int) -> DatasetSpec:
    values = torch.randn(N_ITEMS, dim, generator=torch.Generator().manual_seed(1))
    present = torch.arange(N_ITEMS) != 14
    return DatasetSpec(N_USERS, N_ITEMS, Interactions(*X.nonzero().unbind(1)), {"text": Features(values * present[:, None], present)})


@pytest.mark.parametrize("dim", [4, 40])
def test_equal_to_the_formula(dim: int) -> None:
    """`x_uᵀ (K + λI)⁻¹ k_i` over the twelve training items; the last item shows nothing."""
    spec = make_spec(dim)
    kernel = read_content(spec).kernel(torch.ones(N_ITEMS, dtype=torch.bool)).astype(np.float64)
    expected = X.numpy()[:, :12] @ np.linalg.solve(kernel[:12, :12] + 3 * np.eye(12), kernel[:12])
    scores = KernelRidge(3.0).fit(spec).score_users(torch.arange(N_USERS)).numpy()
    known = X.any(dim=1).numpy()
    np.testing.assert_allclose(scores[known, :14], expected[known, :14], atol=1e-5)
    assert (scores[known, 14] < scores[known, :14].min(axis=1)).all()


def test_too_large_a_catalogue_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ridge, "MEMORY_BYTES", 1000)
    with pytest.raises(LackingData, match=r"a ridge regression would need 0\.0 GiB, more than 0 GiB, with this many items and features"):
        KernelRidge().fit(make_spec(40))
