"""SASRec: predict the next item from the sequence of a user's latest items."""

from abc import abstractmethod
from collections.abc import Collection
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from mmrec.data.batches.train_batches import TrainBatch
from mmrec.data.interactions.histories import Histories
from mmrec.losses import sampled_softmax
from mmrec.models.closed_form.interaction_rows import put_last
from mmrec.models.recommender import FrozenScorer, GradientRecommender, LackingData, TrainedScorer, TrainScores
from mmrec.nn.backbones.causal_transformer import CausalTransformer
from mmrec.types import DatasetSpec

_N_CANDIDATES, _SCORED_AT_A_TIME = 4096, 256


class Windows(NamedTuple):
    """Windows of the events of all users, which are stored user by user."""

    start: Int64[Tensor, " n"]
    length: Int64[Tensor, " n"]


class SequenceRecommender(GradientRecommender):
    """The base class of models that score all items after a window of a user's latest events.

    Args:
        spec: the training data, with timestamps.
        max_length: the longest window that is scored.

    Raises:
        LackingData: the interactions have no timestamps.
    """

    is_history_based = True
    indptr: Int64[Tensor, " n_users_plus_1"]
    events: Int64[Tensor, " n"]
    n_events: Int64[Tensor, " n_items"]
    warm: Int64[Tensor, " n_warm"]

    def __init__(self, spec: DatasetSpec, max_length: int) -> None:
        if spec.train.timestamp is None:
            raise LackingData(f"{type(self).__name__} requires the times of interactions in a column `timestamp`, which does not exist")
        super().__init__(spec)
        self.max_length = max_length
        histories = Histories.from_events(spec.train, spec.n_users)
        self.register_buffer("indptr", histories.indptr, persistent=False)
        self.register_buffer("events", histories.item_idx, persistent=False)
        self.register_buffer("n_events", torch.bincount(spec.train.item_idx, minlength=spec.n_items), persistent=False)
        self.register_buffer("warm", self.n_events.nonzero().flatten(), persistent=False)

    @abstractmethod
    def score_next(self, events: Int64[Tensor, " n_events"], windows: Windows) -> Float[Tensor, "n n_items"]:
        """Return the scores of all items after each window."""

    def freeze(self, hidden: Collection[str] = ()) -> "SequenceScorer":
        self.eval()
        return SequenceScorer(self)


class SASRec(SequenceRecommender):
    """A causal transformer over a user's latest `max_length` events that scores the next one (Kang & McAuley 2018).

    Trained with the softmax cross-entropy at every position, with which it outperforms BERT4Rec (Klenitskiy & Vasilev 2023, "Turning Dross
    Into Gold Loss"), over all training items or 4096 of them, shared by a batch. Longer histories are divided into windows in the same
    batch.

    The loss is returned in `TrainScores.extra`: the negatives of a batch and the ranking loss are ignored. Users without history get
    popular items, and items without training interactions are ranked last.

    Args:
        spec: the training data, with timestamps.
        embedding_dim: the size of embeddings, a multiple of `n_heads`.
        n_layers: the number of layers.
        n_heads: the number of attention heads.
        dropout: the dropout probability.
        max_length: the length of windows.

    Raises:
        LackingData: the interactions have no timestamps.
    """

    def __init__(
        self,
        spec: DatasetSpec,
        embedding_dim: int = 64,
        n_layers: int = 2,
        n_heads: int = 2,
        dropout: float = 0.2,
        max_length: int = 200,
    ) -> None:
        if embedding_dim % n_heads:
            raise ValueError(f"embedding_dim: expected a multiple of n_heads, {n_heads}, found {embedding_dim}")
        super().__init__(spec, max_length)
        self.transformer = CausalTransformer(spec.n_items, embedding_dim, n_layers, n_heads, dropout, max_length)

    def score_batch(self, batch: TrainBatch, generator: torch.Generator) -> TrainScores:
        windows = cut(self.indptr, batch.user_idx, self.max_length)
        items = self.transformer.items.weight
        none = items.new_zeros(0)
        loss = self._loss(windows, generator) if len(windows.start) else 0.0 * items.sum()
        return TrainScores(none, items.new_zeros(batch.valid.shape), loss)

    def _loss(self, windows: Windows, generator: torch.Generator) -> Float[Tensor, ""]:
        real = torch.arange(int(windows.length.max()), device=self.events.device) < windows.length[:, None]
        states = self.transformer(read(self.events, windows))[real]
        target = read(self.events, windows, shift=1)[real]
        items = self.transformer.items.weight
        if len(self.warm) <= _N_CANDIDATES:
            return F.cross_entropy(states @ items.index_select(0, self.warm).T, torch.searchsorted(self.warm, target))
        pool = self.warm[torch.randperm(len(self.warm), generator=generator)[:_N_CANDIDATES].to(self.warm.device)]
        positive = (states * items.index_select(0, target)).sum(dim=1)
        row = torch.arange(len(target), device=target.device)
        return sampled_softmax(positive, row, states @ items.index_select(0, pool).T, pool != target[:, None], temperature=1.0)

    def score_next(self, events: Int64[Tensor, " n_events"], windows: Windows) -> Float[Tensor, "n n_items"]:
        last = torch.arange(len(windows.start), device=events.device), windows.length - 1
        states: Tensor = self.transformer(read(events, windows))[last]
        return states @ self.transformer.items.weight.T


class SequenceScorer(TrainedScorer):
    """Scores what comes after a user's latest events. It uses the current weights of the model at each call.

    Users without history get popular items, and items without training interactions are ranked last.
    """

    def __init__(self, model: SequenceRecommender) -> None:
        self.model = model

    def score_users(self, user_idx: Int64[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
        return self._score(self.model.indptr, self.model.events, user_idx)

    def score_histories(self, histories: Histories) -> Float[Tensor, "n_users n_items"]:
        device = self.model.events.device
        return self._score(histories.indptr.to(device), histories.item_idx.to(device), torch.arange(len(histories), device=device))

    def vectors(self) -> FrozenScorer | None:
        return None

    @torch.no_grad()
    def _score(self, indptr: Int64[Tensor, " n"], events: Int64[Tensor, " m"], user_idx: Int64[Tensor, " k"]) -> Float[Tensor, "k n_items"]:
        n_events = self.model.n_events
        scores = n_events.float().repeat(len(user_idx), 1)
        windows = latest(indptr, user_idx.to(indptr.device), self.model.max_length)
        known = (windows.length > 0).nonzero().flatten()
        for place in known.split(_SCORED_AT_A_TIME) if len(known) else ():
            scores[place] = self.model.score_next(events, Windows(*(part[place] for part in windows))).float()
        return put_last(scores, n_events == 0)


def latest(indptr: Int64[Tensor, " n_users_plus_1"], user_idx: Int64[Tensor, " batch"], max_length: int) -> Windows:
    """The last `max_length` events of the given users."""
    end = indptr[user_idx + 1]
    start = torch.maximum(indptr[user_idx], end - max_length)
    return Windows(start, end - start)


def cut(indptr: Int64[Tensor, " n_users_plus_1"], user_idx: Int64[Tensor, " batch"], max_length: int) -> Windows:
    """Divide all events with a successor into windows of at most `max_length`; the first window of a user is the shorter one."""
    first, last = indptr[user_idx], indptr[user_idx + 1] - 1
    n_windows = -(-(last - first).clamp(min=0) // max_length)
    user = torch.repeat_interleave(torch.arange(len(user_idx), device=indptr.device), n_windows)
    from_last = (n_windows.cumsum(0) - 1)[user] - torch.arange(len(user), device=indptr.device)
    end = last[user] - from_last * max_length
    start = torch.maximum(first[user], end - max_length)
    return Windows(start, end - start)


def read(events: Int64[Tensor, " n_events"], windows: Windows, shift: int = 0) -> Int64[Tensor, "n longest"]:
    """The items of windows shifted by `shift` events, padded on the right with arbitrary items."""
    place = windows.start[:, None] + torch.arange(int(windows.length.max()), device=events.device)
    return events[(place + shift).clamp(max=len(events) - 1)]
