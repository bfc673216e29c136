"""The area under the ROC curve of each user: how often a positive stands before another item that the user might be shown."""

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.types import Scorer

_CHUNK_BYTES = 64 * 2**20
_BYTES_A_SCORE = 64  # sorted scores, their order, two counts and a rank beside the score itself

PerUser = Float64[Tensor, " n_users"]


def auc(
    scores: Float[Tensor, "n_users n_items"], positives: Bool[Tensor, "n_users n_items"], candidates: Bool[Tensor, "n_users n_items"]
) -> PerUser:
    """The share of pairs (positive, other candidate) whose positive has the higher score, equal scores counted half.

    The Mann–Whitney statistic: (Σ midrank of the positives − P (P + 1) / 2) / (P N) over the P positives and N others among the candidates
    (Hanley & McNeil 1982; one value a user as in Rendle et al. 2009). Positives that are no candidates are left out. NaN ranks with −inf,
    last. A user without a positive or without another candidate has no pair, and NaN.

    >>> scores = torch.tensor([[3.0, 1.0, 2.0, 1.0, 9.0]])
    >>> positives = torch.tensor([[False, True, True, False, False]])
    >>> auc(scores, positives, torch.tensor([[True, True, True, True, False]]))  # of the pairs 1:3, 1:1, 2:3, 2:1 it wins one and a half
    tensor([0.3750], dtype=torch.float64)
    """
    positives = positives & candidates
    scores = torch.where(candidates & ~scores.isnan(), scores, -torch.inf).contiguous()  # searchsorted copies, and warns, otherwise
    ordered = scores.sort(dim=1).values
    below, up_to = (torch.searchsorted(ordered, scores, right=right) for right in (False, True))
    n_outside = (~candidates).sum(dim=1, keepdim=True).double()  # these stand at -inf, below every other score and level with -inf
    outside = torch.where(scores == -torch.inf, n_outside / 2, n_outside)
    better_than = ((below + up_to).double() / 2 - outside).masked_fill(~positives, 0).sum(dim=1)
    n_positives = positives.sum(dim=1).double()
    n_others = candidates.sum(dim=1) - n_positives
    return (better_than - n_positives**2 / 2) / (n_positives * n_others)


@torch.no_grad()
def auc_of_users(scorer: Scorer, data: EvaluationSet) -> PerUser:
    """`auc` over the whole catalogue but for what the user has seen, in the order of `data.user_idx`, on the CPU.

    Scores are made for as many users at a time as fit 64 MiB with all that is computed from them.

    >>> pairs = torch.tensor([[0, 0], [1, 0], [1, 1], [2, 2]]).T
    >>> seen = InteractionMatrix.from_pairs(*pairs, n_users=3, n_items=4)
    >>> positives = InteractionMatrix.from_pairs(torch.tensor([0, 2]), torch.tensor([1, 3]), n_users=3, n_items=4)
    >>> class Descending:
    ...     def score_users(self, user_idx):
    ...         return torch.tensor([4.0, 3.0, 2.0, 1.0]).expand(len(user_idx), 4)
    >>> auc_of_users(Descending(), EvaluationSet.build(seen, positives))
    tensor([1., 0.], dtype=torch.float64)
    """
    n_items, device = data.seen.n_items, data.seen.indices.device
    parts = [torch.empty(0, dtype=torch.float64)]
    for users in data.user_idx.split(max(1, _CHUNK_BYTES // (_BYTES_A_SCORE * n_items))):
        scores = scorer.score_users(users)
        seen, positives = (_mask(matrix, users.to(device), n_items).to(scores.device) for matrix in (data.seen, data.positives))
        parts.append(auc(scores, positives, ~seen).cpu())
    return torch.cat(parts)


def _mask(matrix: InteractionMatrix, users: Tensor, n_items: int) -> Bool[Tensor, "n_users n_items"]:
    mask = torch.zeros(len(users), n_items, dtype=torch.bool, device=users.device)
    mask[matrix.rows(users)] = True
    return mask
