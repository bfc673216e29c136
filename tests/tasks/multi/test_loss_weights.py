"""mmrec.tasks.multi.loss_weights: constants, uncertainty and GradNorm, each against what its paper says."""

import math

import pytest
import torch

from mmrec.errors import ConfigError
from mmrec.tasks.multi.loss_weights import GradNormWeights, UncertaintyWeights, make_loss_weights

NAMES = ["ranking", "search"]


def test_constants_give_the_weighted_sum() -> None:
    weights = make_loss_weights(NAMES, {"search": 0.25})
    assert weights.total(torch.tensor([2.0, 8.0])).item() == 4.0
    assert weights.values().tolist() == [1.0, 0.25]
    assert not list(weights.parameters()) and not weights.state_dict()


def test_weights_of_one_change_nothing() -> None:
    loss = torch.tensor([0.1 + 0.2])
    assert torch.equal(make_loss_weights(NAMES[:1], None).total(loss), loss[0])


def test_uncertainty_finds_the_inverse_of_twice_each_loss() -> None:
    """The minimum of e^-s L + s / 2 is at e^s = 2 L."""
    weights = make_loss_weights(NAMES, "uncertainty")
    assert isinstance(weights, UncertaintyWeights)
    optimizer, losses = torch.optim.Adam(weights.parameters(), lr=0.05), torch.tensor([0.2, 6.0])
    for _ in range(800):
        optimizer.zero_grad()
        weights.total(losses).backward()
        optimizer.step()
    torch.testing.assert_close(weights.values(), 1 / (2 * losses), rtol=1e-2, atol=1e-3)


def test_gradnorm_raises_the_task_with_small_gradients() -> None:
    weights = make_loss_weights(NAMES, "gradnorm")
    for _ in range(200):
        weights.adjust(torch.tensor([1.0, 1.0]), torch.tensor([4.0, 1.0]))
    low, high = weights.values().tolist()
    assert low + high == pytest.approx(2)
    assert low * 4 == pytest.approx(high * 1, rel=0.2)  # equal norms at equal rates


def test_gradnorm_raises_the_task_that_trains_slowly() -> None:
    weights = make_loss_weights(NAMES, "gradnorm")
    weights.adjust(torch.tensor([3.0, 3.0]), torch.ones(2))  # the first losses
    for _ in range(50):
        weights.adjust(torch.tensor([3.0, 1.5]), torch.ones(2))
    assert weights.values()[0] > weights.values()[1]


def test_gradnorm_keeps_its_state_in_checkpoints() -> None:
    weights, other = GradNormWeights(NAMES), GradNormWeights(NAMES)
    weights.adjust(torch.tensor([3.0, 1.0]), torch.tensor([1.0, 5.0]))
    other.load_state_dict(weights.state_dict())
    assert torch.equal(other.values(), weights.values())
    assert other.first.tolist() == [3.0, 1.0]


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"serach": 0.5}, r"task\.weights\.serach: this task is not in task\.of, which has ranking, search; did you mean `search`"),
        ({"rating": 2}, r"task\.weights\.rating: this task is not in task\.of"),
        ({"search": -1}, r"task\.weights\.search: expected a number of at least 0, found `-1`"),
        ({"search": math.inf}, r"task\.weights\.search: expected a number of at least 0"),
        ({"search": "much"}, r"task\.weights\.search: expected a number of at least 0, found `much`"),
        ({"search": 0, "ranking": 0}, r"task\.weights: expected a weight above 0"),
        ("grad_norm", r"task\.weights: expected uncertainty, gradnorm, or a weight by task, .* found `grad_norm`"),
    ],
)
def test_other_weights_are_refused(weights: dict[str, float] | str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_loss_weights(NAMES, weights)
