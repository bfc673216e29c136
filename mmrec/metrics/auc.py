"""The area under the ROC curve per user: the probability that a positive is ranked above another candidate item."""

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.data.interactions.matrix import is_member
from mmrec.types import Scorer

_CHUNK_BYTES = 64 * 2**20
_FEW = 32
"""The number of a user's positives up to which scores are scanned for each of them; with more, scores are sorted once."""

PerUser = Float64[Tensor, " n_users"]


def auc(
    scores: Float[Tensor, "n_users n_items"], positives: Bool[Tensor, "n_users n_items"], candidates: Bool[Tensor, "n_users n_items"]
) -> PerUser:
    """The fraction of pairs (positive, other candidate) in which the positive has the higher score; ties count half.

    The Mann–Whitney statistic: (Σ midrank of the positives − P (P + 1) / 2) / (P N) over the P positives and N others among the candidates
    (Hanley & McNeil 1982; per user as in Rendle et al. 2009). Positives that are not candidates are left out. NaN scores rank last, like
    −inf. The result is NaN for users without a positive or without another candidate.

    >>> scores = torch.tensor([[3.0, 1.0, 2.0, 1.0, 9.0]])
    >>> positives = torch.tensor([[False, True, True, False, False]])
    >>> auc(scores, positives, torch.tensor([[True, True, True, True, False]]))  # of the pairs 1:3, 1:1, 2:3, 2:1 it wins one and a half
    tensor([0.3750], dtype=torch.float64)
    """
    scores = scores.masked_fill(~candidates, -torch.inf)
    row, item = (positives & candidates).nonzero(as_tuple=True)
    return _auc(scores, row, item, (~candidates).sum(dim=1)).to(scores.device)


@torch.no_grad()
def auc_of_users(scorer: Scorer, data: EvaluationSet) -> PerUser:
    """`auc` over the whole catalogue without seen items, in the order of `data.user_idx`, on the CPU.

    Scores are computed for as many users at a time as fit into 64 MiB.

    >>> from mmrec.data.interactions.matrix import InteractionMatrix
    >>> pairs = torch.tensor([[0, 0], [1, 0], [1, 1], [2, 2]]).T
    >>> seen = InteractionMatrix.from_pairs(*pairs, n_users=3, n_items=4)
    >>> positives = InteractionMatrix.from_pairs(torch.tensor([0, 2]), torch.tensor([1, 3]), n_users=3, n_items=4)
    >>> class Descending:
    ...     def score_users(self, user_idx):
    ...         return torch.tensor([4.0, 3.0, 2.0, 1.0]).repeat(len(user_idx), 1)
    >>> auc_of_users(Descending(), EvaluationSet.build(seen, positives))
    tensor([1., 0.], dtype=torch.float64)
    """
    n_items, seen_keys = data.seen.n_items, data.seen.keys()
    parts = [torch.empty(0, dtype=torch.float64)]
    for users in data.user_idx.split(max(1, _CHUNK_BYTES // (4 * n_items))):
        scores, users = scorer.score_users(users), users.to(seen_keys.device)
        rows, items = (idx.to(scores.device) for idx in data.seen.rows(users))
        scores[rows, items] = -torch.inf
        row, item = data.positives.rows(users)
        new = ~is_member(seen_keys, users[row] * n_items + item)
        parts.append(_auc(scores, row[new], item[new], data.seen.degree[users]))
    return torch.cat(parts)


def _auc(
    scores: Float[Tensor, "n_users n_items"], row: Int64[Tensor, " n"], item: Int64[Tensor, " n"], n_outside: Int64[Tensor, " n_users"]
) -> PerUser:
    """`auc` of the positives at (row, item), sorted by row, on the CPU; `n_outside` items of each row are not candidates and have -inf."""
    rows, row, n_outside = scores.float().cpu().numpy(), row.cpu(), n_outside.cpu()
    wanted = torch.from_numpy(rows[row.numpy(), item.cpu().numpy()]).nan_to_num(nan=-torch.inf, posinf=torch.inf, neginf=-torch.inf)
    n_positives = torch.bincount(row, minlength=len(rows))
    parts = [_n_below_and_up_to(*one) for one in zip(rows, map(Tensor.numpy, wanted.split(n_positives.tolist())), strict=True)]
    below, up_to = torch.from_numpy(np.concatenate([np.empty((2, 0)), *parts], axis=1))
    outside = n_outside[row].double()  # these have -inf: below every other score, and tied with -inf
    better_than = (below + up_to) / 2 - torch.where(wanted == -torch.inf, outside / 2, outside)
    total = torch.zeros(len(rows), dtype=torch.float64).index_add_(0, row, better_than)
    n_others = rows.shape[1] - n_outside - n_positives
    shares: Tensor = (total - n_positives.double() ** 2 / 2) / (n_positives * n_others)
    return shares


def _n_below_and_up_to(scores: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """For each of the wanted scores, how many scores are lower, and how many are not higher; NaN ranks like -inf."""
    if len(wanted) > _FEW:
        ordered = np.sort(np.where(np.isnan(scores), -np.inf, scores))
        return np.stack([np.searchsorted(ordered, wanted, side="left"), np.searchsorted(ordered, wanted, side="right")])
    not_below = [np.count_nonzero(scores >= one) if one > -np.inf else len(scores) for one in wanted]
    return len(scores) - np.array([not_below, [np.count_nonzero(scores > one) for one in wanted]]).reshape(2, -1)
