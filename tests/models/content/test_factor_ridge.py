"""mmrec.models.content.factor_ridge: known items have the factors of iALS, new ones what ridge regression predicts of them."""

import numpy as np
import torch

from mmrec.models.closed_form.ials import IALS
from mmrec.models.content.content_matrix import read_content
from mmrec.models.content.factor_ridge import FactorRidge
from mmrec.testing.checkerboard import N_WARM, all_warm_of_ones_colour, spec_of_colours


def test_equal_to_the_formula() -> None:
    spec = spec_of_colours(all_warm_of_ones_colour())
    factors = IALS(embedding_dim=4, regularization=2.0, alpha=5.0, seed=3).fit(spec)
    rows = read_content(spec, ["text"]).dense().astype(np.float64)
    warm, known = rows[:N_WARM], factors.items[:N_WARM].numpy()
    mapped = rows @ np.linalg.solve(warm.T @ warm + 2.0 * np.eye(rows.shape[1]), warm.T @ known)
    expected = factors.users.numpy() @ np.concatenate([known, mapped[N_WARM:]]).T
    model = FactorRidge(2.0, ["text"], embedding_dim=4, factor_regularization=2.0, alpha=5.0, seed=3).fit(spec)
    np.testing.assert_allclose(model.score_users(torch.arange(spec.n_users)).numpy(), expected, atol=1e-4)
