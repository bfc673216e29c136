"""What every baseline is: fitted once on what a model may know, then a scorer."""

from abc import ABC, abstractmethod
from typing import Self

import torch
from jaxtyping import Bool, Float, Int64
from scipy.sparse import csr_matrix
from torch import Tensor

from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.errors import ConfigError
from mmrec.types import DatasetSpec


class LackingData(ConfigError):
    """The data have not what a baseline needs: it cannot stand beside the others."""


class Baseline(ABC):
    """A recommender to compare with. Fitting the same data twice gives the same scores.

    One that knows nothing of an item without training interactions gives it a score that no item of a user's row is below. One that
    knows nothing of a user without training interactions scores by popularity, as a service would; but for `Random`.
    """

    @abstractmethod
    def fit(self, spec: DatasetSpec) -> Self:
        """Learns from the training interactions, and from what else the baseline reads of the spec; returns itself.

        Raises LackingData where the spec has not what it needs.
        """

    @abstractmethod
    def score_users(self, user_idx: Int64[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
        """The score of every item for each user; higher is better."""


def interaction_matrix(spec: DatasetSpec) -> InteractionMatrix:
    """The training interactions as a binary matrix."""
    return InteractionMatrix.from_pairs(spec.train.user_idx, spec.train.item_idx, spec.n_users, spec.n_items)


def sparse_matrix(train: InteractionMatrix) -> csr_matrix:
    """The same as a SciPy matrix of float32 ones, `(n_users, n_items)`."""
    values = torch.ones(len(train.indices)).numpy()
    return csr_matrix((values, train.indices.int().numpy(), train.indptr.int().numpy()), shape=(train.n_users, train.n_items))


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


def put_last(scores: Float[Tensor, "batch n_items"], unknown: Bool[Tensor, " n_items"]) -> Float[Tensor, "batch n_items"]:
    """The scores with items of which nothing is known below all others of their row; nothing changes where all are known, or none."""
    if not unknown.any() or unknown.all():
        return scores
    lowest = scores[:, ~unknown].amin(dim=1, keepdim=True)
    return torch.where(unknown, lowest - 1, scores)


def popular_for_new(
    scores: Float[Tensor, "batch n_items"], user_idx: Int64[Tensor, " batch"], train: InteractionMatrix
) -> Float[Tensor, "batch n_items"]:
    """The scores, written over where a user has no training interaction: what is popular is all that there is to say to them."""
    scores[train.degree[user_idx] == 0] = train.item_degree.to(scores.dtype)
    return scores
