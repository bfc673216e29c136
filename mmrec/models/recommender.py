"""The interface of all models, trained by gradient descent or fitted in closed form, which then score items for users."""

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
from mmrec.models.unit_deviation import unit_deviation
from mmrec.types import DatasetSpec

UNUSED, OPTIONAL, REQUIRED = "unused", "optional", "required"
RANKS = "ranks"
"""As `Recommender.predicts`: scores have an order for each user, and no other meaning."""


class TrainScores(NamedTuple):
    """The scores of a training batch."""

    positive: Float[Tensor, " n"]
    """The score of every positive; empty for models that learn without negatives."""
    negative: Float[Tensor, "users pool"]
    """The scores of each user's negatives."""
    extra: Float[Tensor, ""]
    """The weighted sum of additional losses: regularization, self-supervision, link prediction."""


class TrainedScorer(ABC):
    """A trained model that is ready to score. Users are given by training index, or by a history with an optional profile."""

    @abstractmethod
    def score_users(self, user_idx: Int64[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
        """The scores of all items for training users; higher is better. The caller may modify the tensor."""

    @abstractmethod
    def score_histories(self, histories: Histories) -> Float[Tensor, "n_users n_items"]:
        """The scores of all items for users given by histories. Raises ConfigError if the model does not support this."""

    @abstractmethod
    def vectors(self) -> "FrozenScorer | None":
        """Two matrices whose product is `score_users`, for fast ranking and indexes; None if there are none."""


FoldIn = Callable[[Histories], Float[Tensor, "n_users dim"]]


@dataclass(frozen=True)
class FrozenScorer(TrainedScorer):
    """User and item vectors after training; scores are inner products."""

    users: Float[Tensor, "n_users dim"]
    items: Float[Tensor, "n_items dim"]
    attention: Float[Tensor, "n_items modalities"]
    """The mass of each modality in each item; no columns if the model does not provide it."""
    fold_in: FoldIn | None = None
    """Computes the vectors of users from their histories."""

    def score_users(self, user_idx: Int64[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
        return self.users[user_idx] @ self.items.T

    def score_histories(self, histories: Histories) -> Float[Tensor, "n_users n_items"]:
        if self.fold_in is None:
            raise ConfigError("this model only scores users of its training data, and cannot score users given as histories")
        return self.fold_in(histories.to(self.items.device)) @ self.items.T

    def vectors(self) -> "FrozenScorer":
        return self

    def lifted(self, is_new: Bool[Tensor, " n_items"], cold_lift: float) -> "FrozenScorer":
        """The equivalent of `LiftedScorer` as two matrices; unchanged if the offset is 0."""
        if not cold_lift:
            return self
        fold_in, scale = self.fold_in, unit_deviation(self.items)

        def scaled(users: Float[Tensor, "n dim"]) -> Float[Tensor, "n dim_plus_1"]:
            return F.pad(scale(users), (0, 1), value=1.0)

        items = torch.cat([self.items, cold_lift * is_new.float()[:, None]], dim=1)
        return replace(
            self, users=scaled(self.users), items=items, fold_in=None if fold_in is None else lambda histories: scaled(fold_in(histories))
        )


class HistoryScorer:
    """Scores users by given histories instead of those they were trained with."""

    def __init__(self, scorer: TrainedScorer, histories: Histories) -> None:
        self.scorer, self.histories = scorer, histories

    def score_users(self, user_idx: Int64[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
        return self.scorer.score_histories(self.histories.of(user_idx.to(self.histories.indptr.device)))


class LiftedScorer(TrainedScorer):
    """Scales the scores of another scorer to unit deviation per user, and raises new items by `cold_lift`, see `Weights`."""

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
    """The parts of a score mixture. The inner products of both kinds have unit deviation over the catalogue for every user."""

    users: Float[Tensor, "n_users dim"]
    items: Float[Tensor, "n_items dim"]
    linear_users: Float[Tensor, "n_users rank"]
    """No columns if there is no linear part."""
    linear_items: Float[Tensor, "n_items rank"]
    trend: Float[Tensor, " n_items"]
    known_users: Bool[Tensor, " n_users"]
    known_items: Bool[Tensor, " n_items"]
    attention: Float[Tensor, "n_items modalities"]
    fold_in: Callable[[Histories], tuple[Tensor, Tensor]] | None = None
    """Computes `users` and `linear_users` of users from their histories."""

    def mix(self, weights: "Weights") -> FrozenScorer:
        """The weighted sum `u·i + linear·(u'·i') + trend·t_i + cold_lift` as two matrices, see `Weights`."""
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
    """The weights of the parts relative to the fused part, in units of its deviation. Chosen by validation."""

    linear: float = 0.0
    trend: float = 0.0
    """For users with training interactions."""
    trend_for_new: float = 0.0
    """For users without training interactions."""
    cold_lift: float = 0.0
    """The offset of items without training interactions. Since training fits only the content of training items, new items may score too
    low in comparison; or too high, as they are scored by content alone."""
    linear_of_new: float = 0.0
    """The weight of the linear part for items without training interactions, whose linear vectors are predicted from content."""


class LackingData(ConfigError):
    """The data lack what a model requires; as a baseline, the model is left out."""


class Recommender(nn.Module, ABC):
    """A model that can score items for users once it is trained. All of its learned tensors are in its `state_dict`."""

    is_history_based: ClassVar[bool] = False
    """Whether users are represented by their history alone, so that a known user and an equal history have equal scores."""
    predicts: ClassVar[str] = RANKS
    """What its scores stand for: `ranks`, or `ratings`. A task trains and compares models that predict what it measures."""
    ranks_new_items: ClassVar[bool] = False
    """Whether it can rank items without training interactions, by content or by a graph."""
    parts_taken: ClassVar[tuple[str, ...]] = ()
    """The constructor's arguments among `fusion`, `backbone`, `kg_encoder`, `linear`, `trend` and `encoders`, created for the model.

    `encoders` are `mmrec.nn.encoders.pretrained.PretrainedEncoder`s by modality, trained with the model on inputs from `spec.item_inputs`.
    """
    user_texts: ClassVar[str] = UNUSED
    """Whether texts about users, `spec.user_texts`, are unused, optional or required."""
    later_state: ClassVar[Mapping[str, bool | float]] = {}
    """Entries of the `state_dict` that checkpoints of earlier versions lack, and the value to fill them with."""
    modalities: tuple[str, ...] = ()
    """The tokens of an item that `freeze` can hide, in the order of `FrozenScorer.attention`; empty if there are none."""
    user_modalities: tuple[str, ...] = ()
    """The evidence of users that `freeze` can hide."""

    def __init__(self) -> None:
        super().__init__()
        self.register_load_state_dict_pre_hook(_complete_state)

    @abstractmethod
    def freeze(self, hidden: Collection[str] = ()) -> TrainedScorer:
        """Return the trained model as a scorer, in evaluation mode and without gradients, ignoring the modalities in `hidden`."""


def _complete_state(module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    buffers = dict(module.named_buffers(recurse=False))
    for name, value in cast("Recommender", module).later_state.items():
        if name in buffers:
            state.setdefault(prefix + name, torch.full_like(buffers[name], value))


class ClosedFormRecommender(Recommender, TrainedScorer):
    """A model that is fitted once without gradients, reproducibly, and is then its own scorer.

    Items without training interactions of which it knows nothing get a score below all others. Users without training interactions get
    popular items (except for `Random`).

    Fitted tensors are stored by `remember`: a `state_dict` restores a model created with the same arguments, without data.
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
        """Learn from the training interactions and other parts of the specification, and return the model.

        Raises:
            LackingData: the specification lacks what the model requires.
        """

    def freeze(self, hidden: Collection[str] = ()) -> TrainedScorer:
        """The model itself, wrapped if `lift_new_items` was called."""
        if "cold_lift" not in dict(self.named_buffers(recurse=False)):
            return self
        return LiftedScorer(self, self.interactions.item_degree == 0, float(self.cold_lift))

    def lift_new_items(self, cold_lift: float) -> None:
        """Set the score offset of new items, which `freeze` applies and the `state_dict` contains, see `Weights`."""
        self.remember(cold_lift=torch.tensor(cold_lift))

    def vectors(self) -> FrozenScorer | None:
        return None

    def remember(self, **tensors: Tensor) -> None:
        """Store tensors as attributes and in the `state_dict`."""
        for name, tensor in tensors.items():
            self.register_buffer(name, tensor)

    def remember_interactions(self, spec: DatasetSpec) -> InteractionMatrix:
        """Store the training interactions, which `interactions` then returns."""
        owned = InteractionMatrix.from_pairs(spec.train.user_idx, spec.train.item_idx, spec.n_users, spec.n_items)
        self.remember(indptr=owned.indptr, indices=owned.indices, n_items=torch.tensor(spec.n_items))
        return owned

    @property
    def interactions(self) -> InteractionMatrix:
        """The training interactions."""
        return InteractionMatrix(self.indptr, self.indices, int(self.n_items))


def _make_room(module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """Create the buffers of an unfitted model with the shapes of the state to be loaded."""
    for name, value in state.items():
        key = name.removeprefix(prefix)
        if name.startswith(prefix) and "." not in key:
            module.register_buffer(key, torch.empty_like(value))


class GradientRecommender(Recommender):
    """A model trained on batches with any loss of `mmrec.losses`, or with its own, see `TrainScores.extra`.

    Its constructor takes `spec` and the `parts_taken` of a configuration. Models that rank new items and are not a `MixedRecommender` store
    the offset of new items in the `state_dict`, and `freeze_vectors` applies it.
    """

    known_users: Bool[Tensor, " n_users"]
    known_items: Bool[Tensor, " n_items"]
    later_state: ClassVar[Mapping[str, bool | float]] = {"cold_lift": 0.0}
    cold_lift: Tensor
    """The score offset of new items, see `Weights`; only for models that rank them."""

    def __init__(self, spec: DatasetSpec) -> None:
        super().__init__()
        self.train_interactions = spec.train
        for name, idx, n in (("known_users", spec.train.user_idx, spec.n_users), ("known_items", spec.train.item_idx, spec.n_items)):
            self.register_buffer(name, occurring(idx, n), persistent=False)
        if _is_lifted(self):
            self.register_buffer("cold_lift", torch.zeros(()))

    @abstractmethod
    def score_batch(self, batch: TrainBatch, generator: torch.Generator) -> TrainScores:
        """Score a training batch. Randomness comes from `generator`, which is on the CPU, or from torch's global generator."""

    def freeze_vectors(self, users: Float[Tensor, "n_users dim"], items: Float[Tensor, "n_items dim"]) -> FrozenScorer:
        """Create a scorer of the given vectors. Users without training interactions get the mean vector of the others.

        Vectors of histories are predicted by ridge regression, see `FoldInByRegression`. The score offset of new items is applied.
        """
        users, items = mean_for_new(users.float(), self.known_users), items.float().detach()
        scorer = FrozenScorer(users, items, items.new_zeros((len(items), 0)), FoldInByRegression(users, items, self.train_interactions))
        return scorer.lifted(~self.known_items, float(self.cold_lift)) if _is_lifted(self) else scorer

    def lift_new_items(self, cold_lift: float) -> None:
        """Set the score offset of new items, which `freeze` applies and the `state_dict` contains."""
        self.cold_lift.fill_(cold_lift)

    def freeze_unlifted(self) -> TrainedScorer:
        """As `freeze`, without the offset of new items."""
        before = float(self.cold_lift)
        self.lift_new_items(0.0)
        try:
            return self.freeze()
        finally:
            self.lift_new_items(before)


def _is_lifted(model: GradientRecommender) -> bool:
    """Whether the model has an offset of new items; mixtures have it among their weights."""
    return model.ranks_new_items and not isinstance(model, MixedRecommender)


class LookupRecommender(GradientRecommender):
    """A model that accesses its embedding tables in training only by looking up the rows of a batch.

    Its gradients may therefore be sparse, and its tables sharded over processes.
    """


class EpochRecommender(GradientRecommender):
    """A model with work to do once per epoch, such as resampling the edges of a graph."""

    @abstractmethod
    def start_epoch(self, generator: torch.Generator) -> None:
        """Called before the first batch of every epoch, with a generator that depends on seed and epoch only.

        It is not called when training is resumed within an epoch, so its results must be part of the `state_dict`.
        """


class Closed(NamedTuple):
    """A modality that a trained model ignores for all items of a kind."""

    modality: str
    of_new: bool
    """True for items without training interactions, False for all others."""

    def __str__(self) -> str:
        return f"{self.modality} of {'new' if self.of_new else 'known'} items"


class MixedRecommender(GradientRecommender):
    """A model whose scores are a weighted sum of parts. Validation chooses the weights and the modalities to ignore (`RankingTask`)."""

    @property
    @abstractmethod
    def weights(self) -> Weights:
        """The current weights, which `freeze` uses and checkpoints contain."""

    @weights.setter
    @abstractmethod
    def weights(self, weights: Weights) -> None: ...

    @property
    def closable(self) -> tuple[Closed, ...]:
        """The possible elements of `closed`, in the order in which they are tried; empty if the model always uses everything."""
        return ()

    @property
    @abstractmethod
    def closed(self) -> frozenset[Closed]:
        """The modalities that `freeze` currently ignores, because they reduced the validation metric; checkpoints contain them."""

    @closed.setter
    @abstractmethod
    def closed(self, closed: frozenset[Closed]) -> None: ...

    @abstractmethod
    def parts(self, hidden: Collection[str] = (), closed: frozenset[Closed] | None = None) -> Parts:
        """The parts of the scores that `freeze` mixes, optionally with other closed modalities."""
