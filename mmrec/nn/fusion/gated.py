"""Fusion by gates that are computed from each token."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from mmrec.nn.fusion.fusion import Fusion, masked_mean, masked_softmax


class GatedFusion(Fusion):
    """`Σ softmax_m(g_m·h_m + b_m) h_m` with one gate vector per modality.

    After the gated multimodal unit (Arevalo et al. 2017), with gates normalised over the present modalities.
    """

    def __init__(self, n_modalities: int, embedding_dim: int) -> None:
        super().__init__()
        self.gate = nn.Parameter(torch.zeros(n_modalities, embedding_dim))
        self.bias = nn.Parameter(torch.zeros(n_modalities))

    def forward(
        self, tokens: Float[Tensor, "n modalities dim"], present: Bool[Tensor, "n modalities"]
    ) -> tuple[Float[Tensor, "n dim"], Float[Tensor, "n modalities"]]:
        tokens = torch.where(present[..., None], tokens, 0.0)
        mass = masked_softmax(torch.einsum("nmd,md->nm", tokens, self.gate) + self.bias, present)
        return masked_mean(tokens, mass), mass
