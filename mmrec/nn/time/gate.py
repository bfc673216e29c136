"""The gate between short-term and long-term interests."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class InterestGate(nn.Module):
    """`h = (1 - g) h_long + g h_short`, with `g = sigmoid(a - c log(1 + pause))`, where `a` and `c ≥ 0` are learned.

    `pause` is the time since the user's last session in half-lives: the longer it is, the less the short-term interests count.
    """

    def __init__(self) -> None:
        super().__init__()
        self.level = nn.Parameter(torch.zeros(()))
        self.slope = nn.Parameter(torch.tensor(-2.0))
        """`c` is the softplus of this."""

    def share(self, pause: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        """`g` after pauses of some half-lives."""
        return torch.sigmoid(self.level - self.positive_slope() * torch.log1p(pause))

    def positive_slope(self) -> Float[Tensor, ""]:
        """`c`."""
        return F.softplus(self.slope)

    def forward(
        self, lasting: Float[Tensor, "n dim"], recent: Float[Tensor, "n dim"], pause: Float[Tensor, " n"]
    ) -> Float[Tensor, "n dim"]:
        """Mix unit vectors of long-term and short-term interests, and return unit vectors."""
        share = self.share(pause)[:, None]
        return F.normalize((1 - share) * lasting + share * recent, dim=1)
