"""What models that score by `u·i` of one vector a user and an item have in common: scores of a batch, short vectors, two matrices."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from mmrec.data.sample import TrainBatch
from mmrec.models.recommender import FrozenScorer, TrainScores


def score_pairs(
    users: Float[Tensor, "n_users dim"], items: Float[Tensor, "n_items dim"], batch: TrainBatch, regularization: float
) -> TrainScores:
    """What `score_rows` says of the vectors that a batch brings, from those of all users and all items."""
    mine = F.embedding(batch.user_idx, users)  # embedding: its backward is far faster than that of indexing
    return score_rows(mine, F.embedding(batch.item_idx, items), F.embedding(batch.negatives, items), batch, regularization)


def score_rows(
    mine: Float[Tensor, "users dim"],
    liked: Float[Tensor, "n dim"],
    others: Float[Tensor, "pool dim"] | Float[Tensor, "users pool dim"],
    batch: TrainBatch,
    regularization: float,
) -> TrainScores:
    """`u·i` of positives and negatives; extra is `regularization · ½ Σ ‖e‖² / n` over the vectors that the n positives bring.

    Those are the users of the batch, its positives and its negatives, each as often as it occurs.
    """
    positive = (F.embedding(batch.row, mine) * liked).sum(dim=1)
    negative = mine @ others.T if others.ndim == 2 else torch.einsum("bd,bnd->bn", mine, others)
    squares = sum(vectors.square().sum() for vectors in (mine, liked, others))
    return TrainScores(positive.float(), negative.float(), 0.5 * regularization * squares / max(len(batch.item_idx), 1))


def freeze_vectors(
    users: Float[Tensor, "n_users dim"], items: Float[Tensor, "n_items dim"], known_users: Bool[Tensor, " n_users"]
) -> FrozenScorer:
    """A scorer of the vectors themselves; a user without training interactions gets the mean vector of those with some."""
    users = torch.where(known_users[:, None], users, users[known_users].mean(dim=0))
    return FrozenScorer(users.float(), items.float(), items.new_empty(len(items), 0))
