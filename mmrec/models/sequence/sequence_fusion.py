"""The fusion model of the next item: a causal transformer over fused item vectors."""

from collections.abc import Callable, Collection
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from mmrec.data.batches.train_batches import TrainBatch
from mmrec.data.interactions.histories import Histories
from mmrec.errors import nearest
from mmrec.models.collaborative.sasrec import Windows, cut, latest, read
from mmrec.models.fold_in import mean_for_new
from mmrec.models.multimodal.fusion import DEFAULT_FUSION, DEFAULT_KG_ENCODER
from mmrec.models.multimodal.item_evidence import MakesFusion, item_evidence, visible_without
from mmrec.models.recommender import FrozenScorer, GradientRecommender, LackingData, TrainScores
from mmrec.nn.backbones.backbone import Backbone
from mmrec.nn.backbones.item_table import ItemTable
from mmrec.nn.backbones.sequence_encoder import SequenceEncoder, interval_buckets
from mmrec.nn.look_up import look_up
from mmrec.types import DatasetSpec

OBJECTIVES = ("softmax", "gbce")
_DROPOUT = {"modality": 0.2, "feature": 0.2}
_BACKBONE = partial(ItemTable, init_scale=0.1)
_TRANSFORMER = {"n_layers": 2, "n_heads": 2, "dropout": 0.2, "max_length": 50}
_N_CANDIDATES, _ENCODED_AT_A_TIME, _CALIBRATION = 4096, 1024, 0.75


class SequenceFusion(GradientRecommender):
    """A causal transformer over a user's latest items, which are vectors fused from all evidence, scores the next item.

    Items are fused as in `FusionRecommender`, from their collaborative vector, texts, pictures and graph, and are both what the transformer
    reads and what its state is compared with. So a new item has a place in the sequence and in the ranking. Between events, the time that
    passed is added (`SequenceEncoder`). Any history has a user vector.

    The objective is computed at every position over all training items, or over 4096 of them that a batch shares: `softmax` is the
    cross-entropy (Klenitskiy & Vasilev 2023), and `gbce` the generalised binary cross-entropy of gSASRec with a calibration of 0.75 (Petrov
    & Macdonald 2023, eq. 10 to 12), which avoids the overconfidence of sampled negatives. It is returned in `TrainScores.extra`: the
    negatives of a batch and the ranking loss are ignored. Users without history are the mean of the others.

    Args:
        spec: the training data, with timestamps.
        embedding_dim: the size of vectors and tokens.
        fusion: creates the fusion from `n_modalities` and `embedding_dim`; or the model whose item vectors are shared (`item_evidence`).
        backbone: creates the collaborative token from `spec` and `embedding_dim`. None: items are represented by content alone.
        kg_encoder: creates the encoder from `graph` and `embedding_dim`. None: no entity token.
        transformer: the arguments of `SequenceEncoder`: `n_layers`, `n_heads`, `dropout`, `max_length`.
        objective: `softmax` or `gbce`.
        dropout: the fractions hidden in training of tokens (`modality`) and of the numbers of frozen features (`feature`).

    Raises:
        LackingData: the interactions have no timestamps.
    """

    is_history_based = True
    ranks_new_items = True
    parts_taken = ("fusion", "backbone", "kg_encoder")
    indptr: Int64[Tensor, " n_users_plus_1"]
    events: Int64[Tensor, " n"]
    intervals: Int64[Tensor, " n"]
    warm: Int64[Tensor, " n_warm"]

    def __init__(
        self,
        spec: DatasetSpec,
        embedding_dim: int = 64,
        fusion: MakesFusion = DEFAULT_FUSION,
        backbone: Callable[..., Backbone] | None = _BACKBONE,
        kg_encoder: Callable[..., nn.Module] | None = DEFAULT_KG_ENCODER,
        transformer: dict[str, Any] = _TRANSFORMER,
        objective: str = "softmax",
        dropout: dict[str, float] = _DROPOUT,
    ) -> None:
        if objective not in OBJECTIVES:
            raise ValueError(f"objective: expected {' or '.join(OBJECTIVES)}, found {objective}")
        if set(dropout) != set(_DROPOUT):
            raise ValueError(f"dropout: expected {', '.join(_DROPOUT)}, found {', '.join(dropout) or 'nothing'}")
        if unknown := set(transformer) - set(_TRANSFORMER):
            raise ValueError(f"transformer.{min(unknown)}: there is no such argument; {nearest(min(unknown), _TRANSFORMER)}")
        if spec.train.timestamp is None:
            raise LackingData("SequenceFusion needs the times of interactions, a column `timestamp`, and there is none")
        super().__init__(spec)
        self.objective = objective
        self.evidence = item_evidence(spec, embedding_dim, fusion, backbone, kg_encoder, dropout)
        self.modalities = self.evidence.modalities
        self.sequence = SequenceEncoder(embedding_dim, **transformer)
        histories = Histories.from_events(spec.train, spec.n_users)
        self.register_buffer("indptr", histories.indptr, persistent=False)
        self.register_buffer("events", histories.item_idx, persistent=False)
        intervals = interval_buckets(histories.timestamp, histories.indptr, len(histories.item_idx))
        self.register_buffer("intervals", intervals, persistent=False)
        self.register_buffer("warm", self.known_items.nonzero().flatten(), persistent=False)

    @property
    def present(self) -> Bool[Tensor, "n_items modalities"]:
        """Which tokens each item has, in the order of `modalities`."""
        return self.evidence.present

    def score_batch(self, batch: TrainBatch, generator: torch.Generator) -> TrainScores:
        windows = cut(self.indptr, batch.user_idx, self.sequence.max_length)
        visible = self.evidence.draw_visible(generator)
        some = next(self.parameters())
        loss = self._loss(windows, visible, generator) if len(windows.start) else 0.0 * some.sum()
        return TrainScores(some.new_zeros(0), some.new_zeros(batch.valid.shape), loss)

    def _loss(self, windows: Windows, visible: Tensor, generator: torch.Generator) -> Float[Tensor, ""]:
        real = torch.arange(int(windows.length.max()), device=self.events.device) < windows.length[:, None]
        source, target = read(self.events, windows), read(self.events, windows, shift=1)[real]
        candidates = self.warm
        if len(self.warm) > _N_CANDIDATES:
            candidates = self.warm[torch.randperm(len(self.warm), generator=generator)[:_N_CANDIDATES].to(self.warm.device)]
        needed = torch.cat([source.flatten(), target, candidates]).unique()
        vectors = self.evidence.encode(visible, needed).items
        source, at, columns = (torch.searchsorted(needed, items) for items in (source, target, candidates))
        states: Tensor = self.sequence(look_up(vectors, source), read(self.intervals, windows))[real]
        positive, others = (states * look_up(vectors, at)).sum(dim=1), states @ look_up(vectors, columns).T
        others = others.masked_fill(candidates == target[:, None], -torch.inf)
        if self.objective == "gbce":
            return self._gbce(positive, others)
        return (torch.logaddexp(torch.logsumexp(others, dim=1), positive) - positive).mean()

    def _gbce(self, positive: Float[Tensor, " n"], others: Float[Tensor, "n n_candidates"]) -> Float[Tensor, ""]:
        """`-β ln σ(s⁺) - Σ ln(1 - σ(s⁻))` with `β = α (t (1 - 1/α) + 1/α)` for the sampling rate α of negatives and the calibration t."""
        rate = others.shape[1] / max(1, len(self.warm) - 1)
        power = rate * (_CALIBRATION * (1 - 1 / rate) + 1 / rate)
        return (F.softplus(-positive) * power + F.softplus(others).sum(dim=1)).mean()

    @torch.no_grad()
    def freeze(self, hidden: Collection[str] = ()) -> FrozenScorer:
        self.eval()
        encoded = self.evidence.encode(visible_without(self.evidence, hidden))
        items = encoded.items.float()
        users = mean_for_new(self._states(items, self.indptr, self.events, self.intervals), self.known_users)
        average = users[self.known_users].mean(dim=0) if self.known_users.any() else items.new_zeros(items.shape[1])

        @torch.no_grad()
        def fold_in(histories: Histories) -> Float[Tensor, "k dim"]:
            intervals = interval_buckets(histories.timestamp, histories.indptr, len(histories.item_idx))
            states = self._states(items, histories.indptr, histories.item_idx, intervals)
            return torch.where((histories.n_events > 0)[:, None], states, average)

        return FrozenScorer(users, items, encoded.attention, fold_in).lifted(~self.known_items, float(self.cold_lift))

    def _states(
        self,
        items: Float[Tensor, "n_items dim"],
        indptr: Int64[Tensor, " n_users_plus_1"],
        events: Int64[Tensor, " m"],
        intervals: Int64[Tensor, " m"],
    ) -> Float[Tensor, "n_users dim"]:
        """The state after the last event of each history, 0 without events."""
        found = items.new_zeros(len(indptr) - 1, items.shape[1])
        for place in (indptr.diff() > 0).nonzero().flatten().split(_ENCODED_AT_A_TIME):
            windows = latest(indptr, place, self.sequence.max_length)
            if len(place):
                states = self.sequence(items[read(events, windows)], read(intervals, windows))
                found[place] = states[torch.arange(len(place), device=place.device), windows.length - 1].float()
        return found
