"""mmrec.models.rating: means by hand, ridge regressions and compressed products against plain linear algebra."""

import torch

from mmrec.models.rating.low_rank import compress_product, principal_components
from mmrec.models.rating.mean_rating import MeanRating, biases
from mmrec.models.rating.ridge_rows import Cells, ridge_rows
from mmrec.types import DatasetSpec, Interactions

ROWS = Interactions(torch.tensor([0, 0, 1]), torch.tensor([0, 1, 1]), rating=torch.tensor([2.0, 4.0, 5.0]))
SPEC = DatasetSpec(3, 3, ROWS)


def test_means_by_hand() -> None:
    mean = 11 / 3
    of_user = MeanRating("user", damping=1.0).fit(SPEC).score_users(torch.arange(3))[:, 0]
    torch.testing.assert_close(of_user, torch.tensor([mean + (6 - 2 * mean) / 3, mean + (5 - mean) / 2, mean]))
    of_item = MeanRating("item", damping=0.0).fit(SPEC).score_users(torch.tensor([2]))[0]
    torch.testing.assert_close(of_item, torch.tensor([2.0, 4.5, mean]))


def test_both_deviations_solve_their_equations() -> None:
    mean, users, items = biases(ROWS, SPEC, damping=2.0)
    left = ROWS.rating.double() - mean - items[ROWS.item_idx]
    torch.testing.assert_close(users[0], left[:2].sum() / 4, atol=1e-3, rtol=0)
    assert users[2] == items[2] == 0


def test_each_row_is_its_own_ridge_regression() -> None:
    draw = torch.Generator().manual_seed(0)
    mask = torch.rand(6, 5, generator=draw) < 0.6
    mask[2] = False
    row, column = mask.nonzero().unbind(1)
    order = torch.randperm(len(row), generator=draw)
    features, targets = torch.randn(5, 3, generator=draw).double(), torch.randn(len(row), generator=draw).double()
    cells = Cells.build(row[order], column[order], targets[order], (6, 5))
    found = ridge_rows(cells, features, cells.values, torch.full((6,), 0.5, dtype=torch.float64))
    for one in range(6):
        x, y = features[column[row == one]], targets[row == one]
        torch.testing.assert_close(found[one], torch.linalg.solve(x.T @ x + 0.5 * torch.eye(3), x.T @ y))
    assert (found[2] == 0).all()


def test_a_product_of_low_rank_is_kept_exactly_and_others_as_well_as_possible() -> None:
    draw = torch.Generator().manual_seed(0)
    users, items = (torch.randn(n, 12, generator=draw).double() for n in (9, 20))
    low = compress_product(users[:, :3], items[:, :3], rank=5)
    torch.testing.assert_close(low[0] @ low[1].T, users[:, :3] @ items[:, :3].T)
    left, right = compress_product(users, items, rank=4)
    error = (users @ items.T - left @ right.T).square().sum()
    torch.testing.assert_close(error, torch.linalg.svdvals(users @ items.T)[4:].square().sum())


def test_principal_components_are_orthogonal() -> None:
    components = principal_components(torch.randn(30, 6, generator=torch.Generator().manual_seed(0)).double(), 4)
    gram = components.T @ components
    torch.testing.assert_close(gram, gram.diagonal().diag(), atol=1e-8, rtol=0)
    assert components.shape == (30, 4) and abs(components.square().mean() - 1) < 1e-9
