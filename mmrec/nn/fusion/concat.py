"""Fusion by concatenation: all tokens through one two-layer perceptron."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from mmrec.nn.fusion.fusion import Fusion, uniform_mass


class ConcatFusion(Fusion):
    """`MLP([h_1 p_1; …; h_M p_M; p])`: absent tokens are zero, as the presence bits `p` indicate. The reported mass is uniform."""

    def __init__(self, n_modalities: int, embedding_dim: int, hidden_dim: int = 256, dropout: float = 0.0) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(n_modalities * (embedding_dim + 1), hidden_dim),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(hidden_dim, embedding_dim),
        )

    def forward(
        self, tokens: Float[Tensor, "n modalities dim"], present: Bool[Tensor, "n modalities"]
    ) -> tuple[Float[Tensor, "n dim"], Float[Tensor, "n modalities"]]:
        masked = torch.where(present[..., None], tokens, 0.0)
        return self.mlp(torch.cat([masked.flatten(1), present.to(tokens.dtype)], dim=1)), uniform_mass(present)
