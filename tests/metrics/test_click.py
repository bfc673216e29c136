"""mmrec.metrics.click: hand-worked values, bins counted one by one, and forecasts that are true to their word."""

import math

import pytest
import torch

from mmrec.metrics.click import auc_by_user, click_auc, ece_equal_mass, ece_equal_width, log_loss


def draw(seed: int, n: int = 300) -> tuple[torch.Tensor, torch.Tensor]:
    """Probabilities with ties, 0 and 1 among them, and clicks."""
    generator = torch.Generator().manual_seed(seed)
    probabilities = torch.randint(21, (n,), generator=generator).double() / 20
    return probabilities, torch.rand(n, generator=generator).double() < probabilities.square()


def test_by_hand() -> None:
    clicked = torch.tensor([True, False, True, False])
    assert click_auc(torch.tensor([0.9, 0.5, 0.5, 0.1]), clicked) == 3.5 / 4
    assert math.isnan(click_auc(torch.tensor([0.9]), torch.tensor([True])))
    logits = torch.tensor([math.log(3), math.log(3)])  # a probability of 3 / 4
    assert log_loss(logits, torch.tensor([True, False])) == pytest.approx(-(math.log(3 / 4) + math.log(1 / 4)) / 2, abs=1e-7)
    assert log_loss(torch.tensor([-1000.0]), torch.tensor([True])) == 1000.0


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n_bins", [1, 3, 10])
def test_bins_counted_one_by_one(seed: int, n_bins: int) -> None:
    probabilities, clicked = draw(seed)
    rows = list(zip(probabilities.tolist(), clicked.tolist(), strict=True))
    width: dict[int, list] = {}
    mass: dict[int, list] = {}
    for row in rows:
        width.setdefault(max(0, math.ceil(row[0] * n_bins) - 1), []).append(row)
        mass.setdefault(sum(other[0] < row[0] for other in rows) * n_bins // len(rows), []).append(row)
    for ours, bins in ((ece_equal_width, width), (ece_equal_mass, mass)):
        gaps = [abs(sum(p for p, _ in members) - sum(c for _, c in members)) for members in bins.values()]
        assert ours(probabilities, clicked, n_bins) == pytest.approx(sum(gaps) / len(rows), abs=1e-12)
    assert width.keys() <= set(range(n_bins)) and mass.keys() <= set(range(n_bins))


@pytest.mark.parametrize("ece", [ece_equal_width, ece_equal_mass])
def test_the_error_of_what_is_true_and_of_what_is_not(ece: object) -> None:
    probabilities = torch.tensor([0.25] * 4 + [0.75] * 4)
    clicked = torch.tensor([True, False, False, False, True, True, True, False])
    assert ece(probabilities, clicked, n_bins=2) == pytest.approx(0)
    assert ece(1 - probabilities, clicked, n_bins=2) == pytest.approx(0.5)
    assert math.isnan(ece(torch.empty(0), torch.empty(0, dtype=torch.bool), n_bins=2))


def test_the_order_of_rows_changes_nothing() -> None:
    probabilities, clicked = draw(9)
    order = torch.randperm(len(clicked), generator=torch.Generator().manual_seed(0))
    for metric in (lambda p, c: ece_equal_mass(p, c, 7), lambda p, c: ece_equal_width(p, c, 7), click_auc, log_loss):
        assert metric(probabilities[order], clicked[order]) == pytest.approx(metric(probabilities, clicked), abs=1e-12)


def test_the_auc_of_users_is_that_of_their_rows() -> None:
    scores, clicked = draw(3)
    users = torch.randint(0, 40, (len(scores),), generator=torch.Generator().manual_seed(1)) * 2
    found, values = auc_by_user(users, scores, clicked)
    assert found.tolist() == sorted(set(users.tolist()))
    for user, value in zip(found.tolist(), values.tolist(), strict=True):
        assert value == pytest.approx(click_auc(scores[users == user], clicked[users == user]), nan_ok=True)
    assert values.isnan().any() and not values.isnan().all()
