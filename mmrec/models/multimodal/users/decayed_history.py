"""Histories whose items have weights by age: recent interests count more."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple, Self

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from mmrec.data.batches.train_batches import TrainBatch
from mmrec.data.interactions.histories import Histories
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.data.interactions.sessions import DAY_S, find_sessions
from mmrec.errors import ConfigError
from mmrec.models.fold_in import sums_of_items
from mmrec.models.multimodal.users.history_scores import score_with_history
from mmrec.models.multimodal.users.user_history import HistoryScores, UserHistory
from mmrec.models.time.interest_decay import Decay
from mmrec.nn.look_up import rows_of
from mmrec.nn.propagation import csr_matrix, propagate, transpose
from mmrec.nn.shallow_copy import shallow_copy
from mmrec.nn.time.gate import InterestGate
from mmrec.nn.time.kernels import kernel_named
from mmrec.types import DatasetSpec


class Moments(NamedTuple):
    """The sessions of the users of a batch."""

    row: Int64[Tensor, " n"]
    """The session of each positive."""
    user: Int64[Tensor, " rows"]
    """The position in the batch of the user of each session."""
    others: Tensor
    """(rows, n) in CSR: the weights of the user's positives in other sessions, the largest of which is 1."""
    others_t: Tensor
    largest: Float[Tensor, " rows"]
    """The factor of `others`, relative to the weight of an item of the session itself."""
    pause: Float[Tensor, " rows"]
    """The time to the nearest other session in half-lives."""


class DecayedHistory(UserHistory):
    """The weight of an item is a kernel of its age in half-lives, between the start of its session and the time of the request.

    In training, users are represented once for each of their sessions: items weigh by their distance in time from it, before or after,
    so that no interaction is lost as context. The positive itself is left out.

    With `decay.is_long_short`, a learned gate adds the sum of all items with equal weights.

    Args:
        spec: the training data, with times.
        decay: the kernel and the half-lives.
    """

    key: Int64[Tensor, " nnz"]
    time_s: Int64[Tensor, " nnz"]
    start_s: Int64[Tensor, " nnz"]
    session: Int64[Tensor, " nnz"]
    half_life_days: Float64[Tensor, " nnz"]

    def __init__(self, spec: DatasetSpec, decay: Decay) -> None:
        super().__init__()
        times = spec.train.timestamp
        if times is None:
            raise ValueError("expected interactions with timestamps")
        self.n_users, self.n_items, self.decay = spec.n_users, spec.n_items, decay
        self.kernel, self.gate = kernel_named(decay.kernel), InterestGate() if decay.is_long_short else None
        self.end_s = int(times.max()) if len(times) else 0
        self.at_s = self.end_s
        """The time of the request."""
        found = find_sessions(spec.train.user_idx, times, decay.session_gap_hours)
        keys = spec.train.user_idx * spec.n_items + spec.train.item_idx
        key, place = torch.unique(keys, return_inverse=True)
        latest = torch.empty_like(key)
        order = torch.argsort(times, stable=True)
        latest[place[order]] = order  # of repeated pairs, the last one in time
        half_lives = decay.of_users[key // spec.n_items] if decay.of_items is None else decay.of_items[key % spec.n_items]
        of_session = {"start_s": found.start[latest], "session": found.number[latest]}
        columns = {"key": key, "time_s": times[latest], **of_session, "half_life_days": half_lives}
        self.decays = self.gate is not None or bool(half_lives.isfinite().any())
        for name, column in columns.items():
            self.register_buffer(name, column, persistent=False)

    @property
    def _user(self) -> Int64[Tensor, " nnz"]:
        return self.key // self.n_items

    @contextmanager
    def request_at(self, at_s: int) -> Iterator[None]:
        """Within the context, requests are at a time in seconds UTC. Raises ConfigError if no interaction is from before it."""
        if not (self.time_s <= at_s).any():
            raise ConfigError("at: no interaction of the training part is from before this time; give a later one")
        before, self.at_s = self.at_s, at_s
        try:
            yield
        finally:
            self.at_s = before

    def extended(self, n_items: int) -> Self:
        made = shallow_copy(self)
        made.key = self.key // self.n_items * n_items + self.key % self.n_items
        made.n_items, made.decay = n_items, self.decay.extended(n_items)
        return made

    def owned(self) -> InteractionMatrix | None:
        if self.at_s >= self.end_s:
            return None
        key = self.key[self.time_s <= self.at_s]
        return InteractionMatrix.from_pairs(key // self.n_items, key % self.n_items, self.n_users, self.n_items)

    def weights(self) -> Float64[Tensor, " nnz"]:
        """The weights of all interactions, in the order of `key`, at the time of the request; the largest one of each user is 1."""
        age = (self.at_s - self.start_s).double() / DAY_S
        logs = self._log_weights(age, self.half_life_days).masked_fill(self.time_s > self.at_s, -math.inf)
        return _relative(logs, self._user, self.n_users)[0]

    def users(self, items: Float[Tensor, "n_items dim"]) -> Float[Tensor, "n_users dim"]:
        age = (self.at_s - self.start_s).double() / DAY_S
        recent = self._sum(self.weights(), items)
        if self.gate is None:
            return recent
        is_later, pause = self.time_s > self.at_s, torch.full((self.n_users,), math.inf, dtype=torch.float64, device=items.device)
        pause.scatter_reduce_(0, self._user, (age / self.half_life_days).masked_fill(is_later, math.inf), "amin")
        return self._gated(self._sum((~is_later).double(), items), recent, pause)

    def of(self, histories: Histories, items: Float[Tensor, "n_items dim"]) -> Float[Tensor, "n_histories dim"]:
        """As `users`, with ages relative to the last session of each history, or the time of the request if that is later.

        Without times, all items have equal weights. Users outside the training part have the half-life of all users.
        """
        lasting = F.normalize(sums_of_items(histories.matrix(len(items)), items), dim=1)
        if histories.timestamp is None or not len(histories.item_idx):
            return lasting
        user = torch.repeat_interleave(torch.arange(len(histories), device=items.device), histories.n_events)
        found = find_sessions(user, histories.timestamp, self.decay.session_gap_hours)
        now = found.start.new_full((len(histories),), self.at_s).scatter_reduce_(0, user, found.start, "amax")
        age = (now[user] - found.start).double() / DAY_S
        of_items = self.decay.of_items
        half_lives = torch.full_like(age, self.decay.overall) if of_items is None else of_items.to(age.device)[histories.item_idx]
        weight, _ = _relative(self._log_weights(age, half_lives), user, len(histories))
        matrix = csr_matrix(user, histories.item_idx, weight.to(items.dtype), (len(histories), len(items)))
        recent = F.normalize(matrix @ items, dim=1)
        if self.gate is None:
            return recent
        pause = torch.full((len(histories),), math.inf, dtype=torch.float64, device=items.device)
        return self._gated(lasting, recent, pause.scatter_reduce_(0, user, age / half_lives, "amin"))

    def score(
        self, items: Float[Tensor, "n_items dim"], bias: Float[Tensor, " n_items"], batch: TrainBatch, dropout: float
    ) -> HistoryScores:
        if not self.decays:  # as without times
            return HistoryScores(*score_with_history(items, bias, batch.renumbered(), dropout))
        moments, numbered, items = self._moments(batch), batch.renumbered(), items.float()
        liked = F.embedding(numbered.item_idx, items)
        kept = ((batch.noise >= dropout) / (1 - dropout))[:, None] * liked
        is_kept = (batch.noise >= dropout).float()
        n_rows = len(moments.user)
        far = propagate(moments.others, moments.others_t, kept)
        near = items.new_zeros(n_rows, items.shape[1]).index_add(0, moments.row, kept)
        n_near = items.new_zeros(n_rows).index_add(0, moments.row, is_kept)
        users = self._represent(far, near * (1 - 1 / n_near.clamp(min=1))[:, None], n_near > 1, moments)
        n_other = n_near[moments.row] - is_kept
        others = F.embedding(moments.row, near) - kept
        at_row = moments._replace(largest=moments.largest[moments.row], pause=moments.pause[moments.row])
        of_positive = self._represent(F.embedding(moments.row, far), others, n_other > 0, at_row)
        if self.gate is not None:
            total = items.new_zeros(len(batch.user_idx), items.shape[1]).index_add(0, batch.row, kept)
            lasting = F.embedding(moments.user, total)
            users = self.gate(F.normalize(lasting, dim=1), users, moments.pause)
            of_positive = self.gate(F.normalize(F.embedding(batch.row, total) - kept, dim=1), of_positive, at_row.pause)
        positive = (of_positive * F.normalize(liked, dim=1)).sum(dim=1)
        negatives = F.normalize(F.embedding(numbered.negatives, items), dim=-1)
        negative = users @ negatives.T if negatives.ndim == 2 else torch.einsum("bd,bnd->bn", users, negatives[moments.user])
        of_pool = rows_of(bias, numbered.negatives)
        of_pool = of_pool if of_pool.ndim == 1 else of_pool[moments.user]
        return HistoryScores((positive + rows_of(bias, numbered.item_idx)).float(), (negative + of_pool).float(), moments.row, moments.user)

    def _represent(
        self,
        far: Float[Tensor, "n dim"],
        near: Float[Tensor, "n dim"],
        has_near: Bool[Tensor, " n"],
        moments: Moments,
    ) -> Float[Tensor, "n dim"]:
        """Unit vectors of the sum of other sessions and the same one; without items of the latter, rounding errors must not remain."""
        both = far * moments.largest[:, None] + near
        return F.normalize(torch.where(has_near[:, None], both, far), dim=1)

    def _moments(self, batch: TrainBatch) -> Moments:
        place = torch.searchsorted(self.key, batch.user_idx[batch.row] * self.n_items + batch.item_idx)
        session, row = torch.unique(self.session[place], return_inverse=True)
        n_rows = len(session)
        user = torch.zeros_like(session).index_copy_(0, row, batch.row)
        start = torch.zeros_like(session).index_copy_(0, row, self.start_s[place])
        pair_row, pair_item = _pairs(user, batch.row, len(batch.user_idx))
        is_other = row[pair_item] != pair_row
        pair_row, pair_item = pair_row[is_other], pair_item[is_other]
        of_item = place[pair_item]
        distance = (start[pair_row] - self.start_s[of_item]).abs().double() / DAY_S
        half_lives = self.half_life_days[of_item]
        weight, largest = _relative(self._log_weights(distance, half_lives), pair_row, n_rows)
        matrix = csr_matrix(pair_row, pair_item, weight.float(), (n_rows, len(batch.row)))
        pause = torch.full((n_rows,), math.inf, dtype=torch.float64, device=distance.device)
        pause.scatter_reduce_(0, pair_row, distance / half_lives, "amin")
        finite = torch.where(pause.isfinite(), pause, 0.0).float()
        return Moments(row, user, matrix, transpose(matrix), largest.float(), finite)

    def _log_weights(self, age: Float64[Tensor, " n"], half_lives: Float64[Tensor, " n"]) -> Float64[Tensor, " n"]:
        return self.kernel(age.clamp(min=0) / half_lives)

    def _sum(self, weights: Float64[Tensor, " nnz"], items: Float[Tensor, "n_items dim"]) -> Float[Tensor, "n_users dim"]:
        matrix = csr_matrix(self._user, self.key % self.n_items, weights.to(items.dtype), (self.n_users, self.n_items))
        return F.normalize(matrix @ items, dim=1)

    def _gated(
        self, lasting: Float[Tensor, "n dim"], recent: Float[Tensor, "n dim"], pause: Float64[Tensor, " n"]
    ) -> Float[Tensor, "n dim"]:
        assert self.gate is not None
        mixed: Tensor = self.gate(lasting, recent, torch.where(pause.isfinite(), pause, 0.0).to(lasting.dtype))
        return mixed


def _relative(
    logs: Float64[Tensor, " n"], row: Int64[Tensor, " n"], n_rows: int
) -> tuple[Float64[Tensor, " n"], Float64[Tensor, " n_rows"]]:
    """Weights relative to the largest one of their row, and the largest ones; they may be smaller than the smallest number."""
    top = logs.new_full((n_rows,), -math.inf).scatter_reduce_(0, row, logs, "amax")
    shift = torch.where(top.isfinite(), top, 0.0)
    return (logs - shift[row]).exp(), top.exp()


def _pairs(
    of_row: Int64[Tensor, " rows"], of_item: Int64[Tensor, " n"], n_users: int
) -> tuple[Int64[Tensor, " pairs"], Int64[Tensor, " pairs"]]:
    """All pairs of a row and an item of the same user; items are sorted by user."""
    counts = torch.bincount(of_item, minlength=n_users)
    starts = counts.cumsum(0) - counts
    n_pairs = counts[of_row]
    row = torch.repeat_interleave(torch.arange(len(of_row), device=of_row.device), n_pairs)
    within = torch.arange(len(row), device=row.device) - (n_pairs.cumsum(0) - n_pairs)[row]
    return row, starts[of_row][row] + within
