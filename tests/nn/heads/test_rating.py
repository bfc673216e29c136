"""mmrec.nn.heads.rating: hand-worked distributions, what is trained, and what validation chooses."""

import math

import pytest
import torch

from mmrec.errors import DataError
from mmrec.nn.heads.rating import HEADS, GaussianHead, OrdinalHead, RatingHead, head_from

LEVELS = torch.tensor([1.0, 2.0, 4.0])


@pytest.fixture(params=HEADS.values(), ids=HEADS.keys())
def head(request: pytest.FixtureRequest) -> RatingHead:
    return request.param(LEVELS)


def test_a_normal_distribution_by_hand() -> None:
    head = GaussianHead(LEVELS).with_spread(1.0)
    scores, ratings = torch.tensor([1.5, 9.0]), torch.tensor([1.0, 4.0])
    above = head.above(scores)
    assert above[0].tolist() == pytest.approx([0.5, 0.5 * math.erfc(1.5 / math.sqrt(2))], abs=1e-6)  # above 1.5, above 3
    assert head.expected(scores).tolist() == [1.5, 4.0]  # inside the scale
    assert head.log_loss(scores, ratings)[0].item() == pytest.approx(math.log(2), abs=1e-6)
    assert head.loss(scores, ratings).item() == pytest.approx((0.25 + 25) / 2)


def test_cumulative_logits_by_hand() -> None:
    head = OrdinalHead(LEVELS).with_spread(1.0)
    scores = torch.tensor([1.5])
    above = [0.5, 1 / (1 + math.exp(1.5))]  # the thresholds begin at 1.5 and 3
    assert head.above(scores)[0].tolist() == pytest.approx(above, abs=1e-6)
    assert head.expected(scores).item() == pytest.approx(1 + above[0] * 1 + above[1] * 2, abs=1e-6)
    mean = 1 + above[0] + 2 * above[1]
    square = 1 * (1 - above[0]) + 4 * (above[0] - above[1]) + 16 * above[1]
    assert head.deviation(scores).item() == pytest.approx(math.sqrt(square - mean**2), abs=1e-5)


def test_probabilities_of_the_levels_sum_to_one(head: RatingHead) -> None:
    scores = torch.linspace(-3, 8, 23)
    total = sum(torch.exp(-head.log_loss(scores, level.expand(23))) for level in LEVELS)
    torch.testing.assert_close(total, torch.ones(23, dtype=torch.float64), atol=1e-6, rtol=0)


def test_a_higher_score_is_a_higher_rating(head: RatingHead) -> None:
    expected = head.expected(torch.linspace(0, 5, 50))
    assert (expected.diff() >= 0).all() and (expected >= 1).all() and (expected <= 4).all()


def test_training_moves_scores_to_the_ratings(head: RatingHead) -> None:
    ratings = torch.tensor([1.0, 2.0, 4.0, 4.0])
    scores = torch.full((4,), 2.0, requires_grad=True)
    optimizer = torch.optim.Adam([scores, *head.parameters()], lr=0.1)
    for _ in range(300):
        optimizer.zero_grad()
        head.loss(scores, ratings).backward()
        optimizer.step()
    assert (head.expected(scores) - ratings).abs().max() < 0.3


def test_the_spread_with_the_lowest_log_loss_is_found(head: RatingHead) -> None:
    draw = torch.Generator().manual_seed(0)
    scores = torch.rand(4000, generator=draw) * 3 + 1
    true = head.with_spread(0.7)
    above = true.above(scores).detach()
    ratings = LEVELS[(torch.rand(4000, 1, generator=draw) < above).sum(dim=1)]
    assert head.fitted_spread(scores, ratings) == pytest.approx(0.7, rel=0.1)


def test_it_is_made_again_from_its_description(head: RatingHead) -> None:
    again, scores = head_from(head.with_spread(0.3).describe()), torch.linspace(0, 5, 9)
    assert type(again) is type(head)
    assert torch.equal(again.above(scores), head.with_spread(0.3).above(scores))


@pytest.mark.parametrize(
    "description", [{}, {"head": "gaussian"}, {"head": "other", "levels": [1.0, 2.0]}, {"head": "ordinal", "levels": ""}]
)
def test_what_is_no_description_is_refused(description: dict[str, object]) -> None:
    with pytest.raises(DataError, match="the head of a model of ratings"):
        head_from(description)


@pytest.mark.parametrize("n", [1, 101])
def test_what_is_no_scale_is_refused(n: int) -> None:
    with pytest.raises(DataError, match=f"expected from 2 to 100 different ratings in the training part, found {n}"):
        GaussianHead(torch.arange(float(n)))
