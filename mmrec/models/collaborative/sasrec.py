"""SASRec: what comes next after the items a user had last, in their order."""

from collections.abc import Iterator
from typing import NamedTuple, Self

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from mmrec.losses import sampled_softmax
from mmrec.models.closed_form.baseline import Baseline, LackingData, put_last
from mmrec.nn.backbones.causal_transformer import CausalTransformer
from mmrec.types import DatasetSpec, Interactions

_BATCH_WINDOWS, _N_CANDIDATES = 16, 4096


class Windows(NamedTuple):
    """Spans of the events of all users, which are stored user by user."""

    start: Int64[Tensor, " n"]
    length: Int64[Tensor, " n"]


class Histories(NamedTuple):
    """Every user's events by time, those of the same second by `item_idx`."""

    indptr: Int64[Tensor, " n_users_plus_1"]
    item_idx: Int64[Tensor, " n_events"]

    @classmethod
    def from_events(cls, events: Interactions, n_users: int) -> Self:
        order = torch.argsort(events.item_idx, stable=True)
        for key in (events.timestamp, events.user_idx):
            order = order[torch.argsort(key[order], stable=True)]
        counts = torch.bincount(events.user_idx, minlength=n_users)
        return cls(torch.cat([counts.new_zeros(1), counts.cumsum(0)]), events.item_idx[order])

    def latest(self, user_idx: Int64[Tensor, " batch"], max_length: int) -> Windows:
        """The last `max_length` events of some users."""
        end = self.indptr[user_idx + 1]
        start = torch.maximum(self.indptr[user_idx], end - max_length)
        return Windows(start, end - start)

    def cut(self, max_length: int) -> Windows:
        """All events that have a next one, each in one window of at most `max_length` of a user; a user's first window is the short one."""
        n = (self.indptr.diff() - 1).clamp(min=0)
        n_windows = -(-n // max_length)
        user = torch.repeat_interleave(torch.arange(len(n)), n_windows)
        from_last = (n_windows.cumsum(0) - 1)[user] - torch.arange(len(user))
        end = self.indptr[user + 1] - 1 - from_last * max_length
        start = torch.maximum(self.indptr[user], end - max_length)
        return Windows(start, end - start)

    def read(self, windows: Windows, shift: int = 0) -> Int64[Tensor, "n longest"]:
        """The items of windows moved on by `shift` events, padded on the right with whatever item."""
        place = windows.start[:, None] + torch.arange(int(windows.length.max()))
        return self.item_idx[(place + shift).clamp(max=len(self.item_idx) - 1)]


class SASRec(Baseline):
    """A causal transformer over a user's latest `max_length` events scores what comes next (Kang & McAuley 2018), trained by Adam with the
    softmax cross-entropy of every position, with which it is ahead of BERT4Rec (Klenitskiy & Vasilev 2023, "Turning Dross Into Gold Loss"),
    over all training items, or 4096 of them that a batch shares. Longer histories train in windows.
    On the CPU.
    """

    def __init__(
        self,
        embedding_dim: int,
        n_layers: int,
        n_heads: int,
        dropout: float,
        max_length: int,
        learning_rate: float,
        n_epochs: int,
        seed: int,
    ) -> None:
        if embedding_dim % n_heads:
            raise ValueError(f"embedding_dim: expected a multiple of n_heads, {n_heads}, came {embedding_dim}")
        self.embedding_dim, self.n_layers, self.n_heads, self.dropout = embedding_dim, n_layers, n_heads, dropout
        self.max_length, self.learning_rate, self.n_epochs, self.seed = max_length, learning_rate, n_epochs, seed

    def fit(self, spec: DatasetSpec) -> Self:
        """Raises LackingData where the interactions have no times."""
        if spec.train.timestamp is None:
            raise LackingData("SASRec needs the times of interactions, a column `timestamp`, and there is none")
        self._histories = Histories.from_events(spec.train, spec.n_users)
        self._n_events = torch.bincount(spec.train.item_idx, minlength=spec.n_items)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            self._model = CausalTransformer(spec.n_items, self.embedding_dim, self.n_layers, self.n_heads, self.dropout, self.max_length)
            optimizer = torch.optim.Adam(self._model.parameters(), lr=self.learning_rate)
            for _ in range(self.n_epochs):
                for windows in _batches(self._histories.cut(self.max_length)):
                    optimizer.zero_grad()
                    self._loss(windows).backward()
                    optimizer.step()
        self._model.eval()
        return self

    @torch.no_grad()
    def score_users(self, user_idx: Int64[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
        scores = self._n_events.float().repeat(len(user_idx), 1)
        windows = self._histories.latest(user_idx, self.max_length)
        known = windows.length > 0
        if known.any():
            windows = Windows(*(part[known] for part in windows))
            states = self._model(self._histories.read(windows))[torch.arange(len(windows.length)), windows.length - 1]
            scores[known] = states @ self._model.items.weight.T
        return put_last(scores, self._n_events == 0)

    def _loss(self, windows: Windows) -> Float[Tensor, ""]:
        real = torch.arange(int(windows.length.max())) < windows.length[:, None]
        states = self._model(self._histories.read(windows))[real]
        target = self._histories.read(windows, shift=1)[real]
        items, warm = self._model.items.weight, self._n_events.nonzero().flatten()
        if len(warm) <= _N_CANDIDATES:
            return F.cross_entropy(states @ items.index_select(0, warm).T, torch.searchsorted(warm, target))
        pool = warm[torch.randperm(len(warm))[:_N_CANDIDATES]]
        positive = (states * items.index_select(0, target)).sum(dim=1)
        return sampled_softmax(
            positive, torch.arange(len(target)), states @ items.index_select(0, pool).T, pool != target[:, None], temperature=1.0
        )


def _batches(windows: Windows) -> Iterator[Windows]:
    """All windows once, shuffled, those of a batch of about the same length."""
    if not len(windows.start):
        return
    shuffled = torch.randperm(len(windows.start))
    by_length = shuffled[torch.argsort(windows.length[shuffled], stable=True)]
    batches = by_length.split(_BATCH_WINDOWS)
    for i in torch.randperm(len(batches)).tolist():
        yield Windows(windows.start[batches[i]], windows.length[batches[i]])
