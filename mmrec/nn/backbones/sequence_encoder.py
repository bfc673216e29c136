"""A causal transformer over the vectors of a history's items, whatever they are made from, with the time between events."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from mmrec.nn.backbones.backbone import embedding_table
from mmrec.nn.backbones.causal_transformer import CausalLayer

_INIT_SCALE, N_INTERVALS = 0.02, 34


class SequenceEncoder(nn.Module):
    """Computes the state after every item of a history, in the space of the items. Histories are padded on the right.

    To the vector of an item are added that of its position, as in SASRec (Kang & McAuley 2018), and that of the time since the event before
    (`interval_buckets`), a simple form of time intervals (Li et al. 2020, TiSASRec).

    Args:
        embedding_dim: the size of vectors, a multiple of `n_heads`.
        n_layers: the number of layers.
        n_heads: the number of attention heads.
        dropout: of embeddings and sublayers.
        max_length: the longest history.
    """

    def __init__(self, embedding_dim: int = 64, n_layers: int = 2, n_heads: int = 2, dropout: float = 0.2, max_length: int = 50) -> None:
        super().__init__()
        if embedding_dim % n_heads:
            raise ValueError(f"n_heads: expected a divisor of embedding_dim ({embedding_dim}), found {n_heads}")
        self.max_length = max_length
        self.positions = embedding_table(max_length, embedding_dim, _INIT_SCALE)
        self.intervals = embedding_table(N_INTERVALS, embedding_dim, _INIT_SCALE)
        self.layers = nn.ModuleList(CausalLayer(embedding_dim, n_heads, dropout) for _ in range(n_layers))
        self.norm, self.dropout = nn.LayerNorm(embedding_dim), nn.Dropout(dropout)

    def forward(
        self, items: Float[Tensor, "batch length dim"], intervals: Int64[Tensor, "batch length"]
    ) -> Float[Tensor, "batch length dim"]:
        """Return the states. `length` is at most `max_length`."""
        states: Tensor = self.dropout(items + self.positions.weight[: items.shape[1]] + self.intervals(intervals))
        for layer in self.layers:
            states = layer(states)
        normalized: Tensor = self.norm(states)
        return normalized


def interval_buckets(timestamp: Int64[Tensor, " n"] | None, indptr: Int64[Tensor, " n_users_plus_1"], n: int) -> Int64[Tensor, " n"]:
    """Return the bucket of the time since the event before, for events stored user by user: 0 for a first event, and `1 + ⌊log2(1 + s)⌋`.

    All are 0 if there are no times.
    """
    if timestamp is None or not n:
        return torch.zeros(n, dtype=torch.int64, device=indptr.device)
    seconds = torch.cat([timestamp.new_zeros(1), timestamp.diff()]).clamp(min=0)
    buckets = 1 + torch.log2(1 + seconds.double()).floor().long().clamp(max=N_INTERVALS - 2)
    first = indptr[:-1][indptr.diff() > 0]
    buckets[first] = 0
    return buckets
