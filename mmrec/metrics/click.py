"""Metrics of click prediction: ranking (AUC), likelihood (log loss) and calibration (ECE)."""

import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from mmrec.metrics.auc import auc

Clicked = Bool[Tensor, " n"]


def click_auc(scores: Float[Tensor, " n"], clicked: Clicked) -> float:
    """The fraction of pairs (clicked, not clicked) in which the clicked row has the higher score; ties count half (Hanley & McNeil 1982).

    NaN if all or no rows are clicked.

    >>> click_auc(torch.tensor([0.9, 0.5, 0.5, 0.1]), torch.tensor([True, False, True, False]))
    0.875
    """
    return auc(scores[None], clicked[None], torch.ones_like(clicked)[None]).item()


def auc_by_user(
    user_idx: Int64[Tensor, " n"], scores: Float[Tensor, " n"], clicked: Clicked
) -> tuple[Int64[Tensor, " n_users"], Float64[Tensor, " n_users"]]:
    """Return the users of some rows, ascending, and `click_auc` of the rows of each; NaN for users who clicked on all of them or none.

    >>> auc_by_user(torch.tensor([7, 4, 7, 4]), torch.tensor([0.9, 0.5, 0.1, 0.5]), torch.tensor([True, False, False, True]))
    (tensor([4, 7]), tensor([0.5000, 1.0000], dtype=torch.float64))
    """
    users, row, counts = user_idx.unique(return_inverse=True, return_counts=True)
    by_score = scores.argsort(stable=True)
    order = by_score[row[by_score].argsort(stable=True)]
    row, score, is_clicked = row[order], scores[order], clicked[order]
    start = counts.cumsum(0) - counts
    rank = torch.arange(1, len(order) + 1, device=order.device) - start[row]
    is_new = torch.ones_like(is_clicked)
    is_new[1:] = (row[1:] != row[:-1]) | (score[1:] != score[:-1])
    tie = is_new.cumsum(0) - 1
    n_ties = tie.bincount()
    midrank = rank.new_zeros(len(n_ties), dtype=torch.float64).index_add(0, tie, rank.double()) / n_ties
    n_clicked = torch.zeros(len(users), dtype=torch.float64, device=row.device).index_add(0, row, is_clicked.double())
    sums = torch.zeros_like(n_clicked).index_add(0, row, midrank[tie] * is_clicked)
    return users, (sums - n_clicked * (n_clicked + 1) / 2) / (n_clicked * (counts - n_clicked))


def log_loss(logits: Float[Tensor, " n"], clicked: Clicked) -> float:
    """Mean of −log σ(logit) over clicked and −log(1 − σ(logit)) over other rows, in nats (Good 1952). NaN without rows.

    Computed from logits, since a probability rounded to 0 or 1 would make the loss infinite.

    >>> round(log_loss(torch.tensor([0.0, 100.0]), torch.tensor([True, False])), 4)  # (log 2 + 100) / 2
    50.3466
    """
    signed = torch.where(clicked, logits.double(), -logits.double())
    return torch.logaddexp(torch.zeros_like(signed), -signed).mean().item()


def ece_equal_width(probabilities: Float[Tensor, " n"], clicked: Clicked, n_bins: int) -> float:
    """Σ_b (n_b / n) |mean probability − click rate| over bins of [0, 1] with equal width, open at the lower end (Guo et al. 2017).

    >>> round(ece_equal_width(torch.tensor([0.1, 0.3, 0.8]), torch.tensor([False, True, True]), n_bins=2), 4)  # (2 · 0.3 + 0.2) / 3
    0.2667
    """
    bins = (torch.ceil(probabilities.double() * n_bins) - 1).clamp(0, n_bins - 1).long()
    return _calibration_error(probabilities.double(), clicked, bins, n_bins)


def ece_equal_mass(probabilities: Float[Tensor, " n"], clicked: Clicked, n_bins: int) -> float:
    """Σ_b (n_b / n) |mean probability − click rate| over bins with equally many rows (Nguyen & O'Connor 2015).

    Preferable if most probabilities are small, as for clicks. Equal probabilities fall into the bin of the first of them.

    >>> round(ece_equal_mass(torch.tensor([0.1, 0.2, 0.3, 0.4]), torch.tensor([False, False, True, True]), n_bins=2), 4)
    0.4
    """
    values = probabilities.double()
    rank = torch.searchsorted(values.sort().values, values)
    return _calibration_error(values, clicked, rank * n_bins // max(1, len(values)), n_bins)


def _calibration_error(probabilities: Float64[Tensor, " n"], clicked: Clicked, bins: Int64[Tensor, " n"], n_bins: int) -> float:
    excess = probabilities.new_zeros(n_bins).index_add_(0, bins, probabilities - clicked.double())
    return excess.abs().sum().item() / len(probabilities) if len(probabilities) else torch.nan
