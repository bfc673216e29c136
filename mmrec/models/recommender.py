"""What a ranking task trains: it scores training batches, and once trained it freezes into two matrices that rank."""

from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from mmrec.data.sample import TrainBatch


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

    def lifted(self, factor: float) -> "FrozenScorer":
        """The same with the lift of cold items, the last column, `factor` times as high."""
        return self._replace(items=torch.cat([self.items[:, :-1], factor * self.items[:, -1:]], dim=1))

    def score_users(self, user_idx: Int64[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
        return self.users[user_idx] @ self.items.T


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
        """Called before the first batch of every epoch, with a generator that is a function of seed and epoch alone."""
