"""Heads for ratings: the distribution over the levels of a scale that a score stands for."""

from abc import ABC, abstractmethod
from typing import Any, Self

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from mmrec.errors import DataError

_MAX_LEVELS = 100
_SPREADS = torch.logspace(-1, 1, 201, dtype=torch.float64)
"""The factors by which `fitted_spread` tries to change a spread: 201 from 0.1 to 10, with steps of 2.3%."""
_LEAST = 1e-12


class RatingHead(nn.Module, ABC):
    """Maps scores to distributions over the levels of a rating scale, whose width is chosen by validation.

    Args:
        levels: the ratings that occur, ascending.

    Raises:
        DataError: there are fewer than two levels, or more than 100.
    """

    levels: Float[Tensor, " n_levels"]
    spread: Float[Tensor, ""]

    def __init__(self, levels: Float[Tensor, " n_levels"]) -> None:
        super().__init__()
        if not 2 <= len(levels) <= _MAX_LEVELS:
            raise DataError(
                f"the rating scale: expected from 2 to {_MAX_LEVELS} different ratings in the training part, found {len(levels):,}"
                + ("; round them" if len(levels) > _MAX_LEVELS else "")
            )
        self.register_buffer("levels", levels.float())
        self.register_buffer("spread", torch.tensor(0.5 * float(levels[-1] - levels[0]) / 2))

    @abstractmethod
    def loss(self, scores: Float[Tensor, " n"], ratings: Float[Tensor, " n"]) -> Float[Tensor, ""]:
        """Return the mean training loss."""

    @abstractmethod
    def expected(self, scores: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        """Return the predicted ratings, inside the scale."""

    @abstractmethod
    def above(self, scores: Float[Tensor, " n"]) -> Float[Tensor, "n n_levels_minus_1"]:
        """Return the probability that the rating is above each level but the highest."""

    def log_loss(self, scores: Float[Tensor, " n"], ratings: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        """Return -log of the probability of each rating, in nats. Ratings between two levels count as the nearest."""
        above = F.pad(F.pad(self.above(scores.double()), (1, 0), value=1.0), (0, 1), value=0.0)
        level = self.level(ratings)[:, None]
        probability = (above.gather(1, level) - above.gather(1, level + 1))[:, 0]
        return -probability.clamp(min=_LEAST).log()

    def level(self, ratings: Float[Tensor, " n"]) -> Int64[Tensor, " n"]:
        """Return the position of the level nearest to each rating."""
        return torch.bucketize(ratings.to(self.levels.dtype).contiguous(), self.edges())

    def edges(self) -> Float[Tensor, " n_levels_minus_1"]:
        """Return the midpoints between neighbouring levels."""
        return (self.levels[1:] + self.levels[:-1]) / 2

    def deviation(self, scores: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        """Return the standard deviation of the predicted rating."""
        above, levels = self.above(scores), self.levels
        mean = levels[0] + above @ levels.diff()
        square = levels[0].square() + above @ levels.square().diff()
        return (square - mean.square()).clamp(min=0).sqrt()

    def describe(self) -> dict[str, Any]:
        """Return what `head_from` makes the head from again, JSON-serialisable."""
        kind = next(name for name, head in HEADS.items() if type(self) is head)
        return {"head": kind} | {name: values.tolist() for name, values in self.state_dict().items()}

    @torch.no_grad()
    def fitted_spread(self, scores: Float[Tensor, " n"], ratings: Float[Tensor, " n"]) -> float:
        """Return the spread with the lowest log loss of ratings that were not trained on (temperature scaling, Guo et al. 2017)."""
        before = float(self.spread)
        losses = [float(self.with_spread(before * float(factor)).log_loss(scores, ratings).mean()) for factor in _SPREADS]
        return before * float(_SPREADS[int(torch.tensor(losses).argmin())])

    def with_spread(self, spread: float) -> Self:
        """Return a copy with another spread."""
        copy = type(self)(self.levels)
        copy.load_state_dict(self.state_dict() | {"spread": torch.tensor(spread)})
        return copy.to(self.levels.device)


class GaussianHead(RatingHead):
    """The score is the mean of a normal distribution; a level has the mass nearest to it. Trained by the squared error."""

    def loss(self, scores: Float[Tensor, " n"], ratings: Float[Tensor, " n"]) -> Float[Tensor, ""]:
        return (scores - ratings).square().mean()

    def expected(self, scores: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        return scores.clamp(self.levels[0], self.levels[-1])

    def above(self, scores: Float[Tensor, " n"]) -> Float[Tensor, "n n_levels_minus_1"]:
        above: Tensor = torch.special.ndtr((scores[:, None] - self.edges()) / self.spread)
        return above


class OrdinalHead(RatingHead):
    """Cumulative logits: P(rating > level k) = σ((score - t_k) / spread), learned ascending thresholds t (Koren & Sill 2011, OrdRec).

    Trained by the log loss. The predicted rating is the mean of the distribution.
    """

    def __init__(self, levels: Float[Tensor, " n_levels"]) -> None:
        super().__init__(levels)
        edges = self.edges()
        self.first = nn.Parameter(edges[:1].clone())
        self.log_gaps = nn.Parameter(edges.diff().log())

    def thresholds(self) -> Float[Tensor, " n_levels_minus_1"]:
        """Return the thresholds, ascending."""
        return torch.cat([self.first, self.first + self.log_gaps.exp().cumsum(0)])

    def loss(self, scores: Float[Tensor, " n"], ratings: Float[Tensor, " n"]) -> Float[Tensor, ""]:
        return self.log_loss(scores, ratings).mean().to(scores.dtype)

    def expected(self, scores: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        above = self.above(scores.flatten())
        mean: Tensor = (self.levels[0] + above @ self.levels.diff().to(above.dtype)).unflatten(0, scores.shape)
        return mean.to(scores.dtype)

    def above(self, scores: Float[Tensor, " n"]) -> Float[Tensor, "n n_levels_minus_1"]:
        return torch.sigmoid((scores[:, None] - self.thresholds()) / self.spread)


HEADS: dict[str, type[RatingHead]] = {"gaussian": GaussianHead, "ordinal": OrdinalHead}


def head_from(description: dict[str, Any]) -> RatingHead:
    """Return the head that `RatingHead.describe` described. Raises DataError for anything else."""
    try:
        values = {name: torch.tensor(value) for name, value in description.items() if name != "head"}
        head = HEADS[description["head"]](values["levels"])
        head.load_state_dict(values)
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        raise DataError(f"the head of a model of ratings: expected its kind and numbers: {error}") from error
    return head
