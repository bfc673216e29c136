"""The head for clicks: additive effects of positions, and the calibration that turns logits into probabilities."""

from typing import Any, NamedTuple, Self

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from mmrec.errors import DataError

_N_STEPS = 50
_MIN_SLOPE, _MAX_SLOPE = 0.05, 20.0


class Calibration(NamedTuple):
    """The probability of a click is `σ(logit / temperature + offset)`."""

    temperature: float = 1.0
    offset: float = 0.0


class ClickHead(nn.Module):
    """Adds the learned effect of a position to a score, and turns the sum into the probability of a click.

    The effect of the reference position, the smallest one, is 0: a score is the logit of a click there. Positions that training does not
    have, and missing ones, count as the next smaller one of training, or else as the reference.

    Args:
        positions: the positions in training, ascending and distinct; empty if they are unknown.
    """

    positions: Int64[Tensor, " n_positions"]
    temperature: Float[Tensor, ""]
    offset: Float[Tensor, ""]

    def __init__(self, positions: Int64[Tensor, " n_positions"]) -> None:
        super().__init__()
        self.register_buffer("positions", positions)
        self.effects = nn.Parameter(torch.zeros(max(0, len(positions) - 1)))
        self.register_buffer("temperature", torch.ones(()))
        self.register_buffer("offset", torch.zeros(()))

    @property
    def calibration(self) -> Calibration:
        """The current calibration."""
        return Calibration(float(self.temperature), float(self.offset))

    def effect(self, position: Int64[Tensor, " n"]) -> Float[Tensor, " n"]:
        """Return what is added to the logits at these positions."""
        if len(self.positions) < 2:
            return torch.zeros(len(position), device=position.device)
        place = (torch.searchsorted(self.positions, position, right=True) - 1).clamp(min=0)
        return F.embedding(place, F.pad(self.effects, (1, 0))[:, None])[:, 0]

    def logits(self, scores: Float[Tensor, " n"], position: Int64[Tensor, " n"] | None) -> Float[Tensor, " n"]:
        """Return the logits of clicks before calibration; None as positions: all at the reference."""
        return scores if position is None else scores + self.effect(position)

    def calibrated(self, logits: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        """Return `logit / temperature + offset`, whose sigmoid is the probability."""
        return logits / self.temperature + self.offset

    def with_calibration(self, calibration: Calibration) -> Self:
        """Return a copy with another calibration."""
        copy = type(self)(self.positions)
        state = {"temperature": torch.tensor(calibration.temperature), "offset": torch.tensor(calibration.offset)}
        copy.load_state_dict(self.state_dict() | state)
        return copy.to(self.offset.device)

    def describe(self) -> dict[str, Any]:
        """Return what `click_head_from` makes the head from again, JSON-serialisable."""
        return {name: values.tolist() for name, values in self.state_dict().items()}


def fit_calibration(logits: Float[Tensor, " n"], clicked: Bool[Tensor, " n"]) -> Calibration:
    """Return the calibration with the lowest log loss of rows that were not trained on (Platt 1999; Guo et al. 2017 without the offset).

    Newton's method on slope and offset, whose loss is convex. A slope outside 0.05 to 20 is set to the nearest of them.
    """
    logits, target = logits.double(), clicked.double()
    parameters = logits.new_tensor([1.0, 0.0])
    inputs = torch.stack([logits, torch.ones_like(logits)], dim=1)
    for _ in range(_N_STEPS):
        probability = torch.sigmoid(inputs @ parameters)
        weight = (probability * (1 - probability)).clamp(min=1e-6)
        hessian = inputs.T @ (inputs * weight[:, None]) + 1e-6 * torch.eye(2, dtype=logits.dtype, device=logits.device)
        step = torch.linalg.solve(hessian, inputs.T @ (probability - target))
        parameters = parameters - step.clamp(-1, 1)
        if step.abs().max() < 1e-8:
            break
    slope, offset = parameters.tolist()
    return Calibration(1 / min(max(slope, _MIN_SLOPE), _MAX_SLOPE), offset)


def click_head_from(description: dict[str, Any]) -> ClickHead:
    """Return the head that `ClickHead.describe` described. Raises DataError for anything else."""
    try:
        head = ClickHead(torch.tensor(description["positions"], dtype=torch.int64))
        head.load_state_dict({name: torch.tensor(value) for name, value in description.items()})
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        raise DataError(f"the head of a model of clicks: expected its positions and numbers: {error}") from error
    return head
