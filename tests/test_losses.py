"""mmrec.losses: hand-worked values; what masked negatives, shifts of all scores and a batch cut into parts may not change."""

import math
from collections.abc import Callable
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from mmrec.losses import bpr, sampled_softmax, warp

Loss = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
every_loss = pytest.mark.parametrize(
    "loss", [partial(bpr, temperature=1.0), partial(sampled_softmax, temperature=1.0)], ids=["bpr", "softmax"]
)
ROW = torch.tensor([0, 0, 1, 2, 2, 2, 4])  # three users have several positives, user 3 has none


def draw(pool: int = 5) -> tuple[Tensor, Tensor, Tensor]:
    """Positives of `ROW`, negatives and validity of five users; every user has a valid negative."""
    generator = torch.Generator().manual_seed(0)
    valid = torch.rand(5, pool, generator=generator) < 0.6
    valid[:, 0] = True
    return torch.randn(len(ROW), generator=generator), torch.randn(5, pool, generator=generator), valid


def test_bpr_by_hand() -> None:
    """Positive 0 beats one negative by 1 and loses to another by 1, positive 1 has one valid negative and beats it by ln 3: σ = 3/4."""
    positive, row = torch.tensor([2.0, math.log(3)]), torch.tensor([0, 1])
    negative, valid = torch.tensor([[1.0, 3.0], [0.0, 99.0]]), torch.tensor([[True, True], [True, False]])
    first = (math.log(1 + math.exp(-1)) + math.log(1 + math.exp(1))) / 2
    assert bpr(positive, row, negative, valid, temperature=1.0).item() == pytest.approx((first + math.log(4 / 3)) / 2)


def test_warp_by_hand() -> None:
    """The second of two valid negatives violates the margin by 0.5, the last is masked: ln(1 + 2 / 2). The other positive is far above."""
    positive, row = torch.tensor([1.0, 9.0]), torch.tensor([0, 0])
    negative, valid = torch.tensor([[-1.0, 0.5, 7.0]]), torch.tensor([[True, True, False]])
    assert warp(positive, row, negative, valid).item() == pytest.approx(math.log(2) * 0.5 / 2)
    assert warp(positive, row, negative[:, [2, 0, 1]], valid[:, [2, 0, 1]]).item() == pytest.approx(math.log(2) * 0.5 / 2)
    assert warp(positive[:0], row[:0], negative, valid).item() == 0


def test_sampled_softmax_by_hand() -> None:
    """One among three equals: ln 3. Of the same user, one of e^s⁺ = 2 against 1 and 1: ln 2. The third negative is masked."""
    positive, row = torch.tensor([0.0, math.log(2)]), torch.tensor([0, 0])
    negative, valid = torch.tensor([[0.0, 0.0, 5.0]]), torch.tensor([[True, True, False]])
    assert sampled_softmax(positive, row, negative, valid, temperature=1.0).item() == pytest.approx((math.log(3) + math.log(2)) / 2)


def test_sampled_softmax_is_cross_entropy() -> None:
    positive, negative, valid = draw()
    logits = torch.cat([positive[:, None], negative.masked_fill(~valid, -torch.inf)[ROW]], dim=1)
    expected = F.cross_entropy(logits, torch.zeros(len(ROW), dtype=torch.int64))
    torch.testing.assert_close(sampled_softmax(positive, ROW, negative, valid, temperature=1.0), expected)


@every_loss
def test_the_mean_over_positives_whosever_they_are(loss: Loss) -> None:
    """One positive at a time, against its user's valid negatives alone."""
    positive, negative, valid = draw()
    one = torch.zeros(1, dtype=torch.int64)
    parts = []
    for score, user in zip(positive, ROW.tolist(), strict=True):
        counted = negative[user, valid[user]][None]
        parts.append(loss(score[None], one, counted, torch.ones_like(counted, dtype=torch.bool)))
    torch.testing.assert_close(loss(positive, ROW, negative, valid), torch.stack(parts).mean())


@every_loss
def test_an_invalid_negative_is_as_if_never_drawn(loss: Loss) -> None:
    positive, negative, valid = draw()
    value = loss(positive, ROW, negative.requires_grad_(), valid)
    value.backward()
    assert not negative.grad[~valid].any()
    assert not negative.grad[3].any()
    assert (negative.grad[[0, 1, 2, 4]] > 0).equal(valid[[0, 1, 2, 4]])
    torch.testing.assert_close(loss(positive, ROW, torch.where(valid, negative, 1e4), valid), value)


@every_loss
def test_a_user_without_a_valid_negative_teaches_nothing(loss: Loss) -> None:
    positive, negative, valid = draw()
    valid[2] = False
    value = loss(positive.requires_grad_(), ROW, negative.requires_grad_(), valid)
    value.backward()
    assert (positive.grad == 0).equal(ROW == 2)
    assert (positive.grad <= 0).all()
    assert negative.grad.isfinite().all()
    others = ROW != 2
    torch.testing.assert_close(value, loss(positive[others], ROW[others], negative, valid) * others.sum() / len(ROW))


@every_loss
def test_only_differences_of_scores_count(loss: Loss) -> None:
    positive, negative, valid = draw()
    torch.testing.assert_close(loss(positive + 30, ROW, negative + 30, valid), loss(positive, ROW, negative, valid))


@every_loss
def test_great_scores_stay_finite(loss: Loss) -> None:
    positive, negative = torch.tensor([-1e4, 1e4], requires_grad=True), torch.tensor([[1e4], [-1e4]])
    value = loss(positive, torch.tensor([0, 1]), negative, torch.ones(2, 1, dtype=torch.bool))
    value.backward()
    assert value.item() == pytest.approx(1e4)
    assert positive.grad.tolist() == [-0.5, 0.0]


@every_loss
@pytest.mark.parametrize("n_parts", [2, 3, 7])
def test_weighted_parts_have_the_gradient_of_the_whole(loss: Loss, n_parts: int) -> None:
    """Of five users; seven parts leave two without anybody, and an empty part must count as nothing, not as NaN."""
    positive, negative, valid = draw()
    whole, parted = (positive.clone().requires_grad_() for _ in range(2))
    loss(whole, ROW, negative, valid).backward()
    for part in range(n_parts):
        first, last = 5 * part // n_parts, 5 * (part + 1) // n_parts
        mine = (first <= ROW) & (last > ROW)
        weight = mine.sum() * n_parts / len(ROW)
        (loss(parted[mine], ROW[mine] - first, negative[first:last], valid[first:last]) * weight / n_parts).backward()
    torch.testing.assert_close(parted.grad, whole.grad)


@pytest.mark.parametrize("loss", [bpr, sampled_softmax])
def test_a_temperature_divides_the_scores(loss: Callable[..., Tensor]) -> None:
    positive, negative, valid = draw()
    expected = loss(positive / 0.2, ROW, negative / 0.2, valid, temperature=1.0)
    torch.testing.assert_close(loss(positive, ROW, negative, valid, temperature=0.2), expected)


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("loss", [bpr, sampled_softmax, warp])
def test_gradients_are_the_same_bytes_with_two_threads(loss: Loss) -> None:
    """Fifty users with a thousand positives each: as many gradients are added up for one negative."""
    generator = torch.Generator().manual_seed(0)
    positive, row = torch.randn(50_000, generator=generator), torch.randint(50, (50_000,), generator=generator)
    negative = torch.randn(50, 2, generator=generator).requires_grad_()
    valid = torch.ones(50, 2, dtype=torch.bool)
    found = {torch.autograd.grad(loss(positive, row, negative, valid), negative)[0].numpy().tobytes() for _ in range(5)}
    assert len(found) == 1
