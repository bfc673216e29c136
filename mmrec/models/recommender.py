"""The contract of every model: trained by gradient or fitted in closed form, once trained it scores items for users."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple, Self, cast

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from mmrec.data.batches.train_batches import TrainBatch
from mmrec.data.interactions.histories import Histories
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.errors import ConfigError
from mmrec.models.fold_in import FoldInByRegression, mean_for_new, occurring
from mmrec.types import DatasetSpec


class TrainScores(NamedTuple):
    """What a model says of a training batch."""

    positive: Float[Tensor, " n"]
    """The score of every positive; none at all from a model that learns without negatives."""
    negative: Float[Tensor, "users pool"]
    """The scores of each user's negatives."""
    extra: Float[Tensor, ""]
    """What is added to the ranking loss: regularisation, self-supervision, facts of the graph. Weights are in it already."""


class TrainedScorer(ABC):
    """What a trained model knows, ready to score. A user is an index of training, or a history, with a profile where one is known."""

    @abstractmethod
    def score_users(self, user_idx: Int64[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
        """The score of every item for users of the training data; higher is better. The tensor is the caller's, who may write to it."""

    @abstractmethod
    def score_histories(self, histories: Histories) -> Float[Tensor, "n_users n_items"]:
        """The same for users who are given as what they had. Raises ConfigError where a model cannot do so."""

    @abstractmethod
    def vectors(self) -> "FrozenScorer | None":
        """Two matrices whose product is `score_users`, where a model has such: ranking and indexes are fast with them."""


FoldIn = Callable[[Histories], Float[Tensor, "n_users dim"]]


@dataclass(frozen=True)
class FrozenScorer(TrainedScorer):
    """User and item vectors after training; ranks by their inner product."""

    users: Float[Tensor, "n_users dim"]
    items: Float[Tensor, "n_items dim"]
    attention: Float[Tensor, "n_items modalities"]
    """The mass that each modality has in each item; no columns where a model does not say."""
    fold_in: FoldIn | None = None
    """Gives the vectors of users who are known by their history."""

    def score_users(self, user_idx: Int64[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
        return self.users[user_idx] @ self.items.T

    def score_histories(self, histories: Histories) -> Float[Tensor, "n_users n_items"]:
        if self.fold_in is None:
            raise ConfigError("this model scores users of its training data alone; it has no vector for a user who is given as a history")
        return self.fold_in(histories.to(self.items.device)) @ self.items.T

    def vectors(self) -> "FrozenScorer":
        return self

    def lifted(self, is_new: Bool[Tensor, " n_items"], cold_lift: float) -> "FrozenScorer":
        """What `LiftedScorer` makes of this one, as two matrices; without a lift it stays as it is."""
        if not cold_lift:
            return self
        fold_in = self.fold_in

        def scaled(users: Float[Tensor, "n dim"]) -> Float[Tensor, "n dim_plus_1"]:
            return F.pad(to_unit_deviation(users, self.items), (0, 1), value=1.0)

        items = torch.cat([self.items, cold_lift * is_new.float()[:, None]], dim=1)
        return replace(
            self, users=scaled(self.users), items=items, fold_in=None if fold_in is None else lambda histories: scaled(fold_in(histories))
        )


class LiftedScorer(TrainedScorer):
    """Another's scores at unit deviation over the catalogue for every user, and new items `cold_lift` higher: see `Weights`."""

    def __init__(self, scorer: TrainedScorer, is_new: Bool[Tensor, " n_items"], cold_lift: float) -> None:
        self.scorer, self.is_new, self.cold_lift = scorer, is_new, cold_lift

    def score_users(self, user_idx: Int64[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
        return self._lifted(self.scorer.score_users(user_idx))

    def score_histories(self, histories: Histories) -> Float[Tensor, "n_users n_items"]:
        return self._lifted(self.scorer.score_histories(histories))

    def vectors(self) -> None:
        return None

    def _lifted(self, scores: Float[Tensor, "batch n_items"]) -> Float[Tensor, "batch n_items"]:
        deviation = scores.std(dim=1, correction=0, keepdim=True)
        return scores / deviation.clamp(min=1e-12) + self.cold_lift * self.is_new.float()


class Parts(NamedTuple):
    """What a score is mixed from. The inner products of both kinds deviate by 1 over the catalogue, for every user."""

    users: Float[Tensor, "n_users dim"]
    items: Float[Tensor, "n_items dim"]
    linear_users: Float[Tensor, "n_users rank"]
    """Without columns where there is no linear part."""
    linear_items: Float[Tensor, "n_items rank"]
    trend: Float[Tensor, " n_items"]
    known_users: Bool[Tensor, " n_users"]
    known_items: Bool[Tensor, " n_items"]
    attention: Float[Tensor, "n_items modalities"]
    fold_in: Callable[[Histories], tuple[Tensor, Tensor]] | None = None
    """`users` and `linear_users` of users who are known by their history."""

    def mix(self, weights: "Weights") -> FrozenScorer:
        """The weighted sum as two matrices: `u·i + linear·(u'·i') + trend·t_i + cold_lift`, see `Weights`."""
        known = self.known_items[:, None]
        linear = torch.where(known, weights.linear, weights.linear_of_new) * self.linear_items
        items = torch.cat([self.items, linear, self.trend[:, None], weights.cold_lift * (~known).float()], dim=1)
        users = _mixed_users(weights, self.users, self.linear_users, self.known_users)
        parts_of = self.fold_in
        fold_in: FoldIn | None = (
            None if parts_of is None else lambda histories: _mixed_users(weights, *parts_of(histories), histories.n_events > 0)
        )
        return FrozenScorer(users, items, self.attention, fold_in)


def _mixed_users(weights: "Weights", users: Tensor, linear_users: Tensor, known: Bool[Tensor, " n"]) -> Float[Tensor, "n dim"]:
    trend = torch.where(known, weights.trend, weights.trend_for_new)[:, None]
    return torch.cat([users, linear_users, trend, torch.ones_like(trend)], dim=1)


class Weights(NamedTuple):
    """What each part counts beside the fused one, in its deviations. Validation chooses them."""

    linear: float = 0.0
    trend: float = 0.0
    """For users with training interactions."""
    trend_for_new: float = 0.0
    """For those without."""
    cold_lift: float = 0.0
    """How much higher items without training interactions score: training can only make the content of items that it has seen fit their
    users, so what it has not seen may come out too low beside them; or too high, being scored by content alone."""
    linear_of_new: float = 0.0
    """What the linear part counts for items without training interactions, whose linear vectors are predicted from their content."""


class LackingData(ConfigError):
    """The data have not what a model needs: as a baseline it is left out."""


class Recommender(nn.Module, ABC):
    """A model that can score items for users, once it is trained. Its tensors are its `state_dict`, whichever way they are found."""

    is_history_based: ClassVar[bool] = False
    """Whether a known user is no more than their training history: that history, given as such, has the scores of the user."""
    ranks_new_items: ClassVar[bool] = False
    """Whether content or a graph tells it which items without training interactions suit a user."""
    parts_taken: ClassVar[tuple[str, ...]] = ()
    """Of `fusion`, `backbone`, `kg_encoder`, `linear`, `trend` and `encoders`, made for the model, those that the constructor takes.

    `encoders` are `mmrec.nn.encoders.pretrained.PretrainedEncoder`s by modality, to be trained with the model on what `take` of
    `spec.item_inputs` gives.
    """
    later_state: ClassVar[Mapping[str, bool | float]] = {}
    """What of its `state_dict` checkpoints of earlier versions lack, and the value that all of it then has."""
    modalities: tuple[str, ...] = ()
    """The tokens of an item that `freeze` can hide, in the order of `FrozenScorer.attention`; none where a model has no such tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.register_load_state_dict_pre_hook(_complete_state)

    @abstractmethod
    def freeze(self, hidden: Collection[str] = ()) -> TrainedScorer:
        """The trained model as a scorer, in evaluation mode and without gradients; modalities in `hidden` are left out of every item."""


def _complete_state(module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    buffers = dict(module.named_buffers(recurse=False))
    for name, value in cast("Recommender", module).later_state.items():
        if name in buffers:
            state.setdefault(prefix + name, torch.full_like(buffers[name], value))


class ClosedFormRecommender(Recommender, TrainedScorer):
    """A model that is fitted once, without gradients, and then is its own scorer. Fitting the same data twice gives the same scores.

    One that knows nothing of an item without training interactions gives it a score that no item of a user's row is below. One that
    knows nothing of a user without training interactions scores by popularity, as a service would; but for `Random`.

    What it was fitted to is kept by `remember`: a `state_dict` restores a model that was made with the same arguments, and needs no data.
    """

    indptr: Tensor
    indices: Tensor
    n_items: Tensor
    cold_lift: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_load_state_dict_pre_hook(_make_room)

    @abstractmethod
    def fit(self, spec: DatasetSpec) -> Self:
        """Learns from the training interactions, and from what else the model reads of the spec; returns itself.

        Raises LackingData where the spec has not what it needs.
        """

    def freeze(self, hidden: Collection[str] = ()) -> TrainedScorer:
        """The model itself; where `lift_new_items` was called, with what that adds."""
        if "cold_lift" not in dict(self.named_buffers(recurse=False)):
            return self
        return LiftedScorer(self, self.interactions.item_degree == 0, float(self.cold_lift))

    def lift_new_items(self, cold_lift: float) -> None:
        """Lets `freeze` score items without training interactions higher, and keeps that in the `state_dict`: see `Weights`."""
        self.remember(cold_lift=torch.tensor(cold_lift))

    def vectors(self) -> FrozenScorer | None:
        return None

    def remember(self, **tensors: Tensor) -> None:
        """Keeps tensors as attributes and in the `state_dict`."""
        for name, tensor in tensors.items():
            self.register_buffer(name, tensor)

    def remember_interactions(self, spec: DatasetSpec) -> InteractionMatrix:
        """Keeps the training interactions, which are `interactions` from then on."""
        owned = InteractionMatrix.from_pairs(spec.train.user_idx, spec.train.item_idx, spec.n_users, spec.n_items)
        self.remember(indptr=owned.indptr, indices=owned.indices, n_items=torch.tensor(spec.n_items))
        return owned

    @property
    def interactions(self) -> InteractionMatrix:
        """The training interactions."""
        return InteractionMatrix(self.indptr, self.indices, int(self.n_items))


def _make_room(module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """A model that is not fitted has no tensors to load into; their shapes are those of the state."""
    for name, value in state.items():
        key = name.removeprefix(prefix)
        if name.startswith(prefix) and "." not in key:
            module.register_buffer(key, torch.empty_like(value))


class GradientRecommender(Recommender):
    """A model that learns from batches under any loss of `mmrec.losses`, or one of its own: see `TrainScores.extra`.

    Its constructor takes `spec`, and by their names the `parts_taken` of a configuration. One that `ranks_new_items`, and is no mixture,
    keeps their lift in its `state_dict` and is frozen by `freeze_vectors`, which adds it.
    """

    known_users: Bool[Tensor, " n_users"]
    known_items: Bool[Tensor, " n_items"]
    later_state: ClassVar[Mapping[str, bool | float]] = {"cold_lift": 0.0}
    cold_lift: Tensor
    """How much higher `freeze` scores new items, see `Weights`; only of a model that ranks them."""

    def __init__(self, spec: DatasetSpec) -> None:
        super().__init__()
        self.train_interactions = spec.train
        for name, idx, n in (("known_users", spec.train.user_idx, spec.n_users), ("known_items", spec.train.item_idx, spec.n_items)):
            self.register_buffer(name, occurring(idx, n), persistent=False)
        if _is_lifted(self):
            self.register_buffer("cold_lift", torch.zeros(()))

    @abstractmethod
    def score_batch(self, batch: TrainBatch, generator: torch.Generator) -> TrainScores:
        """Scores of a training batch. What is random comes from `generator`, which is on the CPU, or from torch's global one."""

    def freeze_vectors(self, users: Float[Tensor, "n_users dim"], items: Float[Tensor, "n_items dim"]) -> FrozenScorer:
        """A scorer of these vectors. Users without training interactions get the mean vector of those with some.

        A user who is given as a history gets what ridge regression predicts from the items in it: see `FoldInByRegression`. New items
        score higher by the lift that was chosen.
        """
        users, items = mean_for_new(users.float(), self.known_users), items.float().detach()
        scorer = FrozenScorer(users, items, items.new_zeros((len(items), 0)), FoldInByRegression(users, items, self.train_interactions))
        return scorer.lifted(~self.known_items, float(self.cold_lift)) if _is_lifted(self) else scorer

    def lift_new_items(self, cold_lift: float) -> None:
        """Lets `freeze` score items without training interactions higher, and keeps that in the `state_dict`."""
        self.cold_lift.fill_(cold_lift)

    def freeze_unlifted(self) -> TrainedScorer:
        """As `freeze`, without the lift."""
        before = float(self.cold_lift)
        self.lift_new_items(0.0)
        try:
            return self.freeze()
        finally:
            self.lift_new_items(before)


def _is_lifted(model: GradientRecommender) -> bool:
    """Whether it keeps a lift of new items; a mixture has one among its weights."""
    return model.ranks_new_items and not isinstance(model, MixedRecommender)


class LookupRecommender(GradientRecommender):
    """A recommender that in training reads its embedding tables by calling them alone, the rows of a batch at a time.

    So their gradients may be sparse, and their rows divided among processes.
    """


class EpochRecommender(GradientRecommender):
    """A recommender that does some of its work once an epoch, such as dropping edges of its graphs."""

    @abstractmethod
    def start_epoch(self, generator: torch.Generator) -> None:
        """Called before the first batch of every epoch, with a generator that is a function of seed and epoch alone.

        And then only: what it makes must come back with the `state_dict`, for a training that is resumed within the epoch.
        """


class Closed(NamedTuple):
    """A modality that a trained model does without, of all items of a kind."""

    modality: str
    of_new: bool
    """Of items without training interactions; else of those with some."""

    def __str__(self) -> str:
        return f"{self.modality} of {'new' if self.of_new else 'known'} items"


class MixedRecommender(GradientRecommender):
    """A recommender whose scores are a weighted sum of parts; validation chooses the weights, and which modalities it does without
    (`RankingTask`)."""

    @property
    @abstractmethod
    def weights(self) -> Weights:
        """The weights now, which `freeze` uses and checkpoints hold."""

    @weights.setter
    @abstractmethod
    def weights(self, weights: Weights) -> None: ...

    @property
    def closable(self) -> tuple[Closed, ...]:
        """What `closed` may hold, in the order in which it is tried; nothing where a model always uses all that it has."""
        return ()

    @property
    @abstractmethod
    def closed(self) -> frozenset[Closed]:
        """What `freeze` does without now, and checkpoints hold: evidence that validation found to do harm."""

    @closed.setter
    @abstractmethod
    def closed(self, closed: frozenset[Closed]) -> None: ...

    @abstractmethod
    def parts(self, hidden: Collection[str] = (), closed: frozenset[Closed] | None = None) -> Parts:
        """The parts of the scores, as `freeze` mixes them; with other evidence closed than `closed` now says."""


def to_unit_deviation(users: Float[Tensor, "n_users dim"], items: Float[Tensor, "n_items dim"]) -> Float[Tensor, "n_users dim"]:
    """The users' vectors, scaled so that their inner products with the items deviate by 1: `u / √(uᵀ Cov(i) u)`."""
    dim = items.shape[1]
    covariance = items.T.cov().reshape(dim, dim) if len(items) > 1 else items.new_zeros(dim, dim)
    deviation = torch.einsum("ud,de,ue->u", users, covariance, users).clamp(min=0).sqrt()
    return users / deviation.clamp(min=1e-12)[:, None]
