"""mmrec.models.content.lightfm: the sum of features' vectors and biases; a new item has no identity."""

import torch

from mmrec.models.content.content_matrix import read_content
from mmrec.models.content.lightfm import LightFM
from mmrec.testing.checkerboard import N_USERS, N_WARM, all_warm_of_ones_colour, spec_of_colours


def test_equal_to_the_formula() -> None:
    spec = spec_of_colours(all_warm_of_ones_colour())
    model = LightFM(spec, embedding_dim=4)
    features = torch.from_numpy(read_content(spec).dense()) @ torch.cat(list(model.content.tables))
    identity = torch.where(torch.arange(spec.n_items)[:, None] < N_WARM, model.identity, 0.0)
    vectors = identity + features
    expected = model.users @ vectors[:, :4].T + vectors[:, 4]
    torch.testing.assert_close(model.freeze().score_users(torch.arange(N_USERS)), expected.detach(), atol=1e-5, rtol=1e-4)
