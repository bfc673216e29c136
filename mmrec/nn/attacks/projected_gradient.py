"""Projected gradient ascent on pictures: small changes of their pixels that raise a function of their vectors."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from mmrec.nn.attacks.goal import GOALS, check_goal

Encode = Callable[[Float[Tensor, "batch 3 size size"]], Float[Tensor, "batch dim"]]
"""Vectors of pictures whose channels are in [0, 1]."""
Objective = Callable[[Float[Tensor, "batch dim"]], Float[Tensor, " batch"]]
"""A number for each picture, of its vector."""


@final
@dataclass(frozen=True)
class PictureAttack:
    """The settings of projected gradient ascent on the pictures of items (PGD, Madry et al. 2018).

    Args:
        epsilon_255: the largest change of a channel of a pixel, of 255 levels.
        steps: of gradient ascent, each of `2.5 · epsilon / steps` as in the paper.
        restarts: random starts, the best of which counts.
        goal: `accuracy` changes the pictures of all items so that the lists of users get worse; `promote` those of some items so that they
            enter the lists, see `mmrec.nn.attacks.goal.attack_goal`.
        column: for `promote`, the column of the items that names those to promote, such as `category`. None: the least popular ones.
        value: for `promote`, the value in this column.
        share: for `promote` without a column, the share of the items.
        seed: of the starts.

    Raises:
        ValueError: an argument is out of range.
    """

    epsilon_255: int = 4
    steps: int = 20
    restarts: int = 1
    goal: str = GOALS[0]
    column: str | None = None
    value: str | None = None
    share: float = 0.05
    seed: int = 0

    def __post_init__(self) -> None:
        check_goal(self.goal, self.column, self.value)
        for name, low, high in (("epsilon_255", 1, 255), ("steps", 1, 10_000), ("restarts", 1, 1000)):
            if not low <= (value := getattr(self, name)) <= high:
                raise ValueError(f"{name}: expected {low} to {high}, found {value}")


def attack_pictures(
    pictures: UInt8[Tensor, "batch 3 size size"], encode: Encode, objective: Objective, attack: PictureAttack, generator: torch.Generator
) -> UInt8[Tensor, "batch 3 size size"]:
    """Change pictures by at most `attack.epsilon_255` levels in each channel so that `objective` rises.

    The result consists of whole levels, as in a file. It is the best of all restarts and the unchanged picture, so that the objective is
    never lower than before.

    Args:
        pictures: as the encoder takes them.
        encode: of pixels to vectors, with gradients.
        objective: what to raise, for each picture independently.
        attack: the size of changes and the number of steps.
        generator: draws the starts.
    """
    clean, radius = pictures.float() / 255, attack.epsilon_255 / 255
    best, best_value = pictures, _value(encode, objective, pictures)
    for _ in range(attack.restarts):
        noise = torch.rand(clean.shape, generator=generator).to(clean.device)
        changed = _inside((clean + (2 * noise - 1) * radius), clean, radius)
        for _ in range(attack.steps):
            changed = ascend(changed, clean, encode, objective, radius, 2.5 * radius / attack.steps)
        found = (changed * 255).round().to(torch.uint8)
        value = _value(encode, objective, found)
        is_better = value > best_value
        best = torch.where(is_better[:, None, None, None], found, best)
        best_value = torch.where(is_better, value, best_value)
    return best


def ascend(
    changed: Float[Tensor, "batch 3 size size"],
    clean: Float[Tensor, "batch 3 size size"],
    encode: Encode,
    objective: Objective,
    radius: float,
    size: float,
) -> Float[Tensor, "batch 3 size size"]:
    """One step of `size` in the direction of the gradient's sign, projected to the ball around `clean` and to [0, 1]."""
    pixels = changed.detach().requires_grad_()
    with torch.enable_grad():
        (gradient,) = torch.autograd.grad(objective(encode(pixels)).sum(), [pixels])
    return _inside(changed.detach() + size * gradient.sign(), clean, radius)


def _inside(changed: Tensor, clean: Tensor, radius: float) -> Tensor:
    return torch.minimum(torch.maximum(changed, clean - radius), clean + radius).clamp(0, 1)


@torch.no_grad()
def _value(encode: Encode, objective: Objective, pictures: UInt8[Tensor, "batch 3 size size"]) -> Float[Tensor, " batch"]:
    return objective(encode(pictures.float() / 255))
