"""Fusion by the mean of the present tokens."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mmrec.nn.fusion.fusion import Fusion, masked_mean, uniform_mass


class MeanFusion(Fusion):
    """The mean over present tokens, without parameters: the reference for every other fusion."""

    def __init__(self, n_modalities: int, embedding_dim: int) -> None:
        super().__init__()

    def forward(
        self, tokens: Float[Tensor, "n modalities dim"], present: Bool[Tensor, "n modalities"]
    ) -> tuple[Float[Tensor, "n dim"], Float[Tensor, "n modalities"]]:
        mass = uniform_mass(present)
        return masked_mean(torch.where(present[..., None], tokens, 0.0), mass), mass
