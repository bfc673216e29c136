"""What every baseline is: fitted once on the training interactions, then a scorer."""

from abc import ABC, abstractmethod
from typing import Self

from jaxtyping import Float, Int64
from torch import Tensor

from mmrec.data.csr import InteractionMatrix
from mmrec.types import DatasetSpec


class Baseline(ABC):
    """A recommender without gradient descent. Fitting the same data twice gives the same scores."""

    @abstractmethod
    def fit(self, spec: DatasetSpec) -> Self:
        """Learns from the training interactions, and from what else the baseline reads of the spec; returns itself."""

    @abstractmethod
    def score_users(self, user_idx: Int64[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
        """The score of every item for each user; higher is better."""


def interaction_matrix(spec: DatasetSpec) -> InteractionMatrix:
    """The training interactions as a binary matrix."""
    return InteractionMatrix.from_pairs(spec.train.user_idx, spec.train.item_idx, spec.n_users, spec.n_items)


def dense_rows(train: InteractionMatrix, user_idx: Int64[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
    """The interactions of some users as 0/1 rows."""
    rows = train.indices.new_zeros((len(user_idx), train.n_items)).float()
    rows[train.rows(user_idx)] = 1.0
    return rows


def item_gram(train: InteractionMatrix, block: int = 4096) -> Float[Tensor, "n_items n_items"]:
    """`XᵀX`: how many users two items share, summed over blocks of users so that X is never dense as a whole."""
    gram = train.indices.new_zeros((train.n_items, train.n_items)).float()
    for users in train.indices.new_tensor(range(train.n_users)).split(block):
        rows = dense_rows(train, users)
        gram += rows.T @ rows
    return gram
