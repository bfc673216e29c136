"""What a ranking task trains: it scores training batches, and once trained it freezes into two matrices that rank."""

from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from mmrec.data.batches.train_batches import TrainBatch


class TrainScores(NamedTuple):
    """What a model says of a training batch."""

    positive: Float[Tensor, " n"]
    """The score of every positive; none at all from a model that learns without negatives."""
    negative: Float[Tensor, "users pool"]
    """The scores of each user's negatives."""
    extra: Float[Tensor, ""]
    """What is added to the ranking loss: regularisation, self-supervision, facts of the graph. Weights are in it already."""


class FrozenScorer(NamedTuple):
    """User and item vectors after training; ranks by their inner product."""

    users: Float[Tensor, "n_users dim"]
    items: Float[Tensor, "n_items dim"]
    attention: Float[Tensor, "n_items modalities"]
    """The mass that each modality has in each item; no columns where a model does not say."""

    def score_users(self, user_idx: Int64[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
        return self.users[user_idx] @ self.items.T


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

    def mix(self, weights: "Weights") -> FrozenScorer:
        """The weighted sum as two matrices: `u·i + linear·(u'·i') + trend·t_i + cold_lift`, see `Weights`."""
        trend = torch.where(self.known_users, weights.trend, weights.trend_for_new)[:, None]
        lift = weights.cold_lift * (~self.known_items).float()[:, None]
        users = torch.cat([self.users, weights.linear * self.linear_users, trend, torch.ones_like(trend)], dim=1)
        return FrozenScorer(users, torch.cat([self.items, self.linear_items, self.trend[:, None], lift], dim=1), self.attention)


class Weights(NamedTuple):
    """What each part counts beside the fused one, in its deviations. Validation chooses them."""

    linear: float = 0.0
    trend: float = 0.0
    """For users with training interactions."""
    trend_for_new: float = 0.0
    """For those without."""
    cold_lift: float = 0.0
    """How much higher items without training interactions score: training can only make the content of items that it has seen fit their
    users, so what it has not seen would otherwise come out too low beside them."""


class Recommender(nn.Module, ABC):
    """A model that ranks items for users; it is trained by `RankingTask` under any loss of `mmrec.losses`.

    Its constructor takes `spec` and, by these names, what it uses of `fusion`, `backbone` and `kg_encoder`.
    """

    modalities: tuple[str, ...]
    """The tokens of an item that `freeze` can hide, in the order of `FrozenScorer.attention`; none where a model has no such tokens."""

    @abstractmethod
    def score_batch(self, batch: TrainBatch, generator: torch.Generator) -> TrainScores:
        """Scores of a training batch. What is random comes from `generator`, which is on the CPU, or from torch's global one."""

    @abstractmethod
    def freeze(self, hidden: Collection[str] = ()) -> FrozenScorer:
        """The trained model as a scorer, in evaluation mode and without gradients; modalities in `hidden` are left out of every item."""


class LookupRecommender(Recommender):
    """A recommender that in training reads its embedding tables by calling them alone, the rows of a batch at a time.

    So their gradients may be sparse, and their rows divided among processes.
    """


class EpochRecommender(Recommender):
    """A recommender that does some of its work once an epoch, such as dropping edges of its graphs."""

    @abstractmethod
    def start_epoch(self, generator: torch.Generator) -> None:
        """Called before the first batch of every epoch, with a generator that is a function of seed and epoch alone.

        And then only: what it makes must come back with the `state_dict`, for a training that is resumed within the epoch.
        """


class MixedRecommender(Recommender):
    """A recommender whose scores are a weighted sum of parts; validation chooses the weights (`RankingTask`)."""

    @property
    @abstractmethod
    def weights(self) -> Weights:
        """The weights now, which `freeze` uses and checkpoints hold."""

    @weights.setter
    @abstractmethod
    def weights(self, weights: Weights) -> None: ...

    @abstractmethod
    def parts(self, hidden: Collection[str] = ()) -> Parts:
        """The parts of the scores, as `freeze` mixes them."""


def to_unit_deviation(users: Float[Tensor, "n_users dim"], items: Float[Tensor, "n_items dim"]) -> Float[Tensor, "n_users dim"]:
    """The users' vectors, scaled so that their inner products with the items deviate by 1: `u / √(uᵀ Cov(i) u)`."""
    deviation = torch.einsum("ud,de,ue->u", users, items.T.cov().reshape(items.shape[1], items.shape[1]), users).clamp(min=0).sqrt()
    return users / deviation.clamp(min=1e-12)[:, None]
