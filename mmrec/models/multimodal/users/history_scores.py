"""Scores of a training batch whose users are represented by their histories, without the item to be predicted."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from mmrec.data.batches.train_batches import TrainBatch
from mmrec.nn.look_up import rows_of


def score_with_history(
    items: Float[Tensor, "n_items dim"], bias: Float[Tensor, " n_items"], batch: TrainBatch, history_dropout: float
) -> tuple[Float[Tensor, " n"], Float[Tensor, "users pool"]]:
    """The scores of positives and negatives in a training batch, see `FusionRecommender`.

    The history `h` is taken from the batch, which contains all positives of each user, without the scored positive. For a shared pool of
    negatives, it takes a single matrix product.
    """
    items = items.float()
    liked = F.embedding(batch.item_idx, items)  # its backward is far faster than that of indexing
    counts = liked.new_zeros(len(batch.user_idx)).index_add(0, batch.row, torch.ones_like(batch.noise))  # bincount would synchronise
    kept = (batch.noise >= history_dropout) / (1 - history_dropout)
    share = (kept * counts.rsqrt()[batch.row])[:, None]
    users = items.new_zeros(len(batch.user_idx), items.shape[1]).index_add(0, batch.row, share * liked)
    n_kept = liked.new_zeros(len(batch.user_idx)).index_add(0, batch.row, (kept > 0).float())
    has_others = (n_kept[batch.row] > (kept > 0))[:, None]  # otherwise rounding errors would be normalised
    others = torch.where(has_others, F.embedding(batch.row, users) - share * liked, 0.0)
    positive = (F.normalize(others, dim=1) * F.normalize(liked, dim=1)).sum(dim=1)
    users, negatives = F.normalize(users, dim=1), F.normalize(F.embedding(batch.negatives, items), dim=-1)
    negative = users @ negatives.T if negatives.ndim == 2 else torch.einsum("bd,bnd->bn", users, negatives)
    return (positive + rows_of(bias, batch.item_idx)).float(), (negative + rows_of(bias, batch.negatives)).float()
