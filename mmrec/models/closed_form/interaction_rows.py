"""Training interactions in the formats of models in closed form, and fallback scores for new users and new items."""

import torch
from jaxtyping import Bool, Float, Int64
from scipy.sparse import csr_array
from torch import Tensor

from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.types import DatasetSpec

_GRAM_ROWS = 1024


def interaction_matrix(spec: DatasetSpec) -> InteractionMatrix:
    """The training interactions as a binary matrix."""
    return InteractionMatrix.from_pairs(spec.train.user_idx, spec.train.item_idx, spec.n_users, spec.n_items)


def sparse_matrix(train: InteractionMatrix) -> csr_array:
    """The matrix as a SciPy matrix of float32 ones, `(n_users, n_items)`."""
    values = torch.ones(len(train.indices)).numpy()
    return csr_array((values, train.indices.int().numpy(), train.indptr.numpy()), shape=(train.n_users, train.n_items))


def sparse_rows(train: InteractionMatrix, user_idx: Int64[Tensor, " batch"]) -> csr_array:
    """The interactions of the given users as sparse rows of float32 ones."""
    _, items = train.rows(user_idx)
    row_ends = torch.cat([items.new_zeros(1), train.degree[user_idx].cumsum(0)])
    return csr_array((torch.ones(len(items)).numpy(), items.int().numpy(), row_ends.numpy()), shape=(len(user_idx), train.n_items))


def dense_rows(train: InteractionMatrix, user_idx: Int64[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
    """The interactions of the given users as 0/1 rows."""
    rows = train.indices.new_zeros((len(user_idx), train.n_items)).float()
    rows[train.rows(user_idx)] = 1.0
    return rows


def item_gram(train: InteractionMatrix, dtype: torch.dtype = torch.float32) -> Float[Tensor, "n_items n_items"]:
    """`XᵀX`, the number of common users of each pair of items, in time linear in the sum of squared history lengths."""
    matrix = sparse_matrix(train)
    owners, gram = matrix.T.tocsr(), torch.empty(train.n_items, train.n_items, dtype=dtype)
    for start in range(0, train.n_items, _GRAM_ROWS):
        gram[start : start + _GRAM_ROWS] = torch.from_numpy((owners[start : start + _GRAM_ROWS] @ matrix).toarray())
    return gram


def put_last(scores: Float[Tensor, "batch n_items"], unknown: Bool[Tensor, " n_items"]) -> Float[Tensor, "batch n_items"]:
    """Set the scores of unknown items below all others of their row; unchanged if all or no items are unknown."""
    if not unknown.any() or unknown.all():
        return scores
    lowest = scores[:, ~unknown].amin(dim=1, keepdim=True)
    return torch.where(unknown, lowest - 1, scores)


def popular_for_new(
    scores: Float[Tensor, "batch n_items"], is_new: Bool[Tensor, " batch"], train: InteractionMatrix
) -> Float[Tensor, "batch n_items"]:
    """Replace the scores of new users by popularity, in place."""
    scores[is_new] = train.item_degree.to(scores.dtype)
    return scores
