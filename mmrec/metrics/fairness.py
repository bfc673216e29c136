"""Fairness metrics: differences in quality between groups of users, and in exposure between groups of items.

Groups are numbered from 0; users and items with the unknown group −1 are left out.
"""

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

PerGroup = Float64[Tensor, " n_groups"]


def group_means(values: Float64[Tensor, " n_users"], groups: Int64[Tensor, " n_users"], n_groups: int) -> PerGroup:
    """The mean of a metric over the users of each group, NaN for empty groups (Ekstrand et al. 2018). Users with NaN are left out.

    >>> group_means(torch.tensor([0.2, 0.4, 0.9, 0.5]).double(), torch.tensor([0, 0, 1, -1]), n_groups=3)
    tensor([0.3000, 0.9000,    nan], dtype=torch.float64)
    """
    known = (groups >= 0) & ~values.isnan()
    sums, counts = (values.new_zeros(n_groups).index_add_(0, groups[known], x[known]) for x in (values, torch.ones_like(values)))
    return sums / counts


def group_gap(means: PerGroup) -> float:
    """The best group's mean minus the worst's, over groups with a mean; 0 is fair. NaN if there are none (max-min, Wang et al. 2023).

    >>> group_gap(torch.tensor([0.25, torch.nan, 0.75]).double())
    0.5
    """
    measured = means[~means.isnan()]
    return (measured.max() - measured.min()).item() if len(measured) else torch.nan


def group_exposure(item_idx: Int64[Tensor, "n_users k"], groups: Int64[Tensor, " n_items"], n_groups: int) -> PerGroup:
    """Each group's share of exposure, which is 1 / log2(rank + 1) at each rank (Singh & Joachims 2018).

    Empty positions (item_idx −1) and items of unknown groups are left out. NaN if no position is left.

    >>> group_exposure(torch.tensor([[0, 1, 2], [0, 2, -1]]), torch.tensor([0, 1, 1]), n_groups=2)  # 2 to 2 / log2(3) + 1 / 2
    tensor([0.5317, 0.4683], dtype=torch.float64)
    """
    discount = 1 / torch.log2(torch.arange(2, item_idx.shape[1] + 2, dtype=torch.float64, device=item_idx.device))
    group = groups[item_idx].masked_fill(item_idx < 0, -1)
    return group_share(discount.expand(item_idx.shape).flatten(), group.flatten(), n_groups)


def group_share(weights: Float[Tensor, " n"], groups: Int64[Tensor, " n"], n_groups: int) -> PerGroup:
    """Each group's share of the item weights: with weights of 1, of the catalogue; with user counts, of merit.

    >>> group_share(torch.tensor([1.0, 1.0, 1.0, 1.0]), torch.tensor([0, 1, 1, -1]), n_groups=2)
    tensor([0.3333, 0.6667], dtype=torch.float64)
    """
    known = groups >= 0
    sums = torch.zeros(n_groups, dtype=torch.float64, device=weights.device).index_add_(0, groups[known], weights[known].double())
    return sums / sums.sum()


def exposure_ratio(exposure: PerGroup, due: PerGroup) -> PerGroup:
    """The ratio of exposure to the due share: 1 is fair (Singh & Joachims 2018).

    `due` is a share of the catalogue (demographic parity) or of merit, from `group_share`. NaN if both are 0.

    >>> exposure_ratio(torch.tensor([0.75, 0.25]).double(), torch.tensor([0.5, 0.5]).double())
    tensor([1.5000, 0.5000], dtype=torch.float64)
    """
    return exposure / due


def exposure_disparity(exposure: PerGroup, due: PerGroup) -> float:
    """Half of Σ |exposure − due|: the fraction of exposure to be moved for each group to get its due share; 0 is fair.

    This is the total variation distance between the two distributions, at most 1.

    >>> exposure_disparity(torch.tensor([0.75, 0.25]).double(), torch.tensor([0.5, 0.5]).double())
    0.25
    """
    return (exposure - due).abs().sum().item() / 2
