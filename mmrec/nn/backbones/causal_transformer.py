"""A causal transformer over interaction histories: each position attends to the items up to it."""

import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from mmrec.nn.backbones.backbone import embedding_table
from mmrec.nn.table_rows import ITEMS

_INIT_SCALE = 0.02


class CausalTransformer(nn.Module):
    """Computes the state after every item of a history (Kang & McAuley 2018, SASRec, §III-A to C). Histories are padded on the right.

    Since padding follows all real positions, the causal mask hides it and no further mask is needed. Layers are pre-norm with a final norm.
    Dropout is applied to embeddings and sublayer outputs, but not to attention weights, which fused attention does not materialise.
    """

    table_rows = {"items.weight": (ITEMS,)}  # noqa: RUF012

    def __init__(self, n_items: int, embedding_dim: int, n_layers: int, n_heads: int, dropout: float, max_length: int) -> None:
        super().__init__()
        if embedding_dim % n_heads:
            raise ValueError(f"n_heads: expected a divisor of embedding_dim ({embedding_dim}), found {n_heads}")
        self.items = embedding_table(n_items, embedding_dim, _INIT_SCALE)
        self.positions = embedding_table(max_length, embedding_dim, _INIT_SCALE)
        self.layers = nn.ModuleList(CausalLayer(embedding_dim, n_heads, dropout) for _ in range(n_layers))
        self.norm, self.dropout = nn.LayerNorm(embedding_dim), nn.Dropout(dropout)

    def forward(self, history: Int64[Tensor, "batch length"]) -> Float[Tensor, "batch length dim"]:
        """The states, whose inner products with `items.weight` score the next item. `length` is at most `max_length`."""
        embedded = self.items(history) * self.items.embedding_dim**0.5 + self.positions.weight[: history.shape[1]]
        states: Tensor = self.dropout(embedded)
        for layer in self.layers:
            states = layer(states)
        normalized: Tensor = self.norm(states)
        return normalized


class CausalLayer(nn.Module):
    """A pre-norm layer: causal self-attention and a pointwise network with one hidden layer, each with a residual connection."""

    def __init__(self, dim: int, n_heads: int, dropout: float) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.norm_attention, self.norm_pointwise = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.query_key_value, self.output = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.pointwise = nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Dropout(dropout), nn.Linear(dim, dim))
        self.dropout = nn.Dropout(dropout)

    def forward(self, states: Float[Tensor, "batch length dim"]) -> Float[Tensor, "batch length dim"]:
        heads = self.query_key_value(self.norm_attention(states)).unflatten(2, (3, self.n_heads, -1))
        query, key, value = heads.permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(query, key, value, is_causal=True).transpose(1, 2).flatten(2)
        states = states + self.dropout(self.output(attended))
        added: Tensor = self.dropout(self.pointwise(self.norm_pointwise(states)))
        return states + added
