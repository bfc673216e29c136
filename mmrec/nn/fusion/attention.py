"""Fusion by a transformer over modality tokens, pooled with a learned query."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from mmrec.nn.fusion.fusion import Fusion, masked_mean, masked_softmax


class AttentionFusion(Fusion):
    """Self-attention over an item's modality tokens, then attention pooling with one learned query.

    In pre-norm encoder layers (Vaswani et al. 2017; Xiong et al. 2020), tokens attend to each other through a presence mask; the learned
    query then weights them, `w = softmax(q·LN(h_m)/√d)` over present tokens, and the item vector is `Σ w_m h_m`. The last projection of
    each layer and the query are initialised with zeros, so an untrained fusion is the mean of the tokens plus their modality embeddings.
    Training starts from there, and the collaborative token keeps its geometry until the other tokens contribute.
    """

    def __init__(self, n_modalities: int, embedding_dim: int, n_layers: int = 1, n_heads: int = 4, dropout: float = 0.0) -> None:
        super().__init__()
        if embedding_dim % n_heads:
            raise ValueError(f"embedding_dim must be a multiple of n_heads, got {embedding_dim} and {n_heads}")
        self.modality_embedding = nn.Parameter(torch.zeros(n_modalities, embedding_dim))
        layer = nn.TransformerEncoderLayer(
            embedding_dim, n_heads, 2 * embedding_dim, dropout, activation="gelu", batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, n_layers, enable_nested_tensor=False)
        for block in self.encoder.layers:
            for last in (block.self_attn.out_proj, block.linear2):
                nn.init.zeros_(last.weight)
                nn.init.zeros_(last.bias)
        self.norm = nn.LayerNorm(embedding_dim, bias=False)  # a bias would shift all logits equally
        self.query = nn.Parameter(torch.zeros(embedding_dim))

    def forward(
        self, tokens: Float[Tensor, "n modalities dim"], present: Bool[Tensor, "n modalities"]
    ) -> tuple[Float[Tensor, "n dim"], Float[Tensor, "n modalities"]]:
        tokens = torch.where(present[..., None], tokens + self.modality_embedding, 0.0)
        ignored = ~present & present.any(dim=1, keepdim=True)  # items without tokens attend to zeros; their mass is zero below
        hidden = self.encoder(tokens, src_key_padding_mask=ignored)
        mass = masked_softmax(self.norm(hidden) @ self.query / hidden.shape[-1] ** 0.5, present)
        return masked_mean(hidden, mass), mass
