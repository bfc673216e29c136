"""BERT4Rec: predict hidden items of a history from those on both sides."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from mmrec.data.batches.train_batches import TrainBatch
from mmrec.models.collaborative.sasrec import SequenceRecommender, Windows, latest, read
from mmrec.models.recommender import TrainScores
from mmrec.nn.backbones.backbone import embedding_table
from mmrec.nn.table_rows import ITEMS
from mmrec.types import DatasetSpec

_INIT_SCALE, _SHARE_OF_ENDS = 0.02, 0.1
"""The share of histories of which only the last item is hidden, as when the next one is asked for."""


class BERT4Rec(SequenceRecommender):
    """A bidirectional transformer over a user's latest items that predicts hidden ones (Sun et al. 2019).

    In training, items are replaced by a mask at random and predicted from both sides with the softmax cross-entropy over all training
    items (the Cloze task); in a tenth of the histories only the last one is. For the next item, a mask is appended to the history. Layers
    are post-norm with GELU, and outputs are projected before they are compared with the item table, as in the paper.

    The loss is returned in `TrainScores.extra`: the negatives of a batch and the ranking loss are ignored. Users without history get
    popular items, and items without training interactions are ranked last.

    Args:
        spec: the training data, with timestamps.
        embedding_dim: the size of embeddings, a multiple of `n_heads`.
        n_layers: the number of layers.
        n_heads: the number of attention heads.
        dropout: the dropout probability.
        max_length: the number of latest items used, at least 2; for the next item the mask takes one place.
        hidden_share: the fraction of items that are hidden in training; at least one item of each history is.

    Raises:
        LackingData: the interactions have no timestamps.
    """

    table_rows = {"items.weight": (ITEMS, 1), "bias": (ITEMS,)}  # noqa: RUF012

    def __init__(
        self,
        spec: DatasetSpec,
        embedding_dim: int = 64,
        n_layers: int = 2,
        n_heads: int = 2,
        dropout: float = 0.1,
        max_length: int = 50,
        hidden_share: float = 0.3,
    ) -> None:
        if embedding_dim % n_heads:
            raise ValueError(f"embedding_dim: expected a multiple of n_heads, {n_heads}, found {embedding_dim}")
        if max_length < 2:
            raise ValueError(f"max_length: expected at least 2, found {max_length}")
        if not 0 < hidden_share < 1:
            raise ValueError(f"hidden_share: expected a fraction above 0 and below 1, found {hidden_share}")
        super().__init__(spec, max_length - 1)
        self.hidden_share, self.mask = hidden_share, spec.n_items
        self.items = embedding_table(spec.n_items + 1, embedding_dim, _INIT_SCALE)
        self.positions = embedding_table(max_length, embedding_dim, _INIT_SCALE)
        self.norm, self.dropout = nn.LayerNorm(embedding_dim), nn.Dropout(dropout)
        layer = nn.TransformerEncoderLayer(embedding_dim, n_heads, 4 * embedding_dim, dropout, F.gelu, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, n_layers, enable_nested_tensor=False)
        self.project = nn.Sequential(nn.Linear(embedding_dim, embedding_dim), nn.GELU(), nn.LayerNorm(embedding_dim))
        self.bias = nn.Parameter(torch.zeros(spec.n_items))

    def score_batch(self, batch: TrainBatch, generator: torch.Generator) -> TrainScores:
        windows = latest(self.indptr, batch.user_idx, self.max_length + 1)
        windows = Windows(*(part[windows.length > 0] for part in windows))
        none = self.bias.new_zeros(0)
        loss = self._loss(windows, generator) if len(windows.start) else 0.0 * self.bias.sum()
        return TrainScores(none, self.bias.new_zeros(batch.valid.shape), loss)

    def _loss(self, windows: Windows, generator: torch.Generator) -> Float[Tensor, ""]:
        history, device = read(self.events, windows), self.events.device
        real = _real(windows.length, history.shape[1])
        hidden = draw_hidden(windows.length.cpu(), history.shape[1], self.hidden_share, generator).to(device)
        states = self.states(history.masked_fill(hidden, self.mask), real)[hidden]
        target = torch.searchsorted(self.warm, history[hidden])
        return F.cross_entropy(states @ self.items.weight.index_select(0, self.warm).T + self.bias.index_select(0, self.warm), target)

    def states(self, history: Int64[Tensor, "batch length"], real: Bool[Tensor, "batch length"]) -> Float[Tensor, "batch length dim"]:
        """The projected outputs at all positions; hidden items are `mask`, and positions that are not `real` are ignored."""
        embedded = self.dropout(self.norm(self.items(history) + self.positions.weight[: history.shape[1]]))
        states: Tensor = self.project(self.layers(embedded, src_key_padding_mask=~real))
        return states

    def score_next(self, events: Int64[Tensor, " n_events"], windows: Windows) -> Float[Tensor, "n n_items"]:
        history = F.pad(read(events, windows), (0, 1), value=self.mask)  # a mask is appended to each window
        end = torch.arange(len(history), device=events.device), windows.length
        history[end] = self.mask
        states = self.states(history, _real(windows.length + 1, history.shape[1]))[end]
        return states @ self.items.weight[:-1].T + self.bias


def draw_hidden(length: Int64[Tensor, " n"], longest: int, share: float, generator: torch.Generator) -> Bool[Tensor, "n longest"]:
    """Sample which items of histories are hidden: a `share` of them and at least one of each history, in a tenth only the last one."""
    at, last = torch.arange(longest), (length - 1)[:, None]
    noise = torch.rand((len(length), longest), generator=generator).masked_fill(at > last, 2.0)
    only_last = torch.rand((len(length), 1), generator=generator) < _SHARE_OF_ENDS
    drawn = (noise < share) | (noise == noise.amin(dim=1, keepdim=True))
    return torch.where(only_last, at == last, drawn)


def _real(length: Int64[Tensor, " n"], longest: int) -> Bool[Tensor, "n longest"]:
    return torch.arange(longest, device=length.device) < length[:, None]
