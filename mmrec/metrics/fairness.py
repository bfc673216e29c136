"""Fairness to users (is it as good for every group of them?) and to providers (is every group of items shown as often as it should be?).

Groups are numbers from 0; −1 is a user or an item whose group is not known, which is left out.
"""

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

PerGroup = Float64[Tensor, " n_groups"]


def group_means(values: Float64[Tensor, " n_users"], groups: Int64[Tensor, " n_users"], n_groups: int) -> PerGroup:
    """The mean of a metric over the users of each group, NaN where it has none (Ekstrand et al. 2018). Users with NaN are left out.

    >>> group_means(torch.tensor([0.2, 0.4, 0.9, 0.5]).double(), torch.tensor([0, 0, 1, -1]), n_groups=3)
    tensor([0.3000, 0.9000,    nan], dtype=torch.float64)
    """
    known = (groups >= 0) & ~values.isnan()
    sums, counts = (values.new_zeros(n_groups).index_add_(0, groups[known], x[known]) for x in (values, torch.ones_like(values)))
    return sums / counts


def group_gap(means: PerGroup) -> float:
    """The best group's mean less the worst's, over groups that have one; 0 is fair. NaN without any (max-min, as in Wang et al. 2023).

    >>> group_gap(torch.tensor([0.25, torch.nan, 0.75]).double())
    0.5
    """
    measured = means[~means.isnan()]
    return (measured.max() - measured.min()).item() if len(measured) else torch.nan


def group_exposure(item_idx: Int64[Tensor, "n_users k"], groups: Int64[Tensor, " n_items"], n_groups: int) -> PerGroup:
    """Each group's share of the attention that lists give, 1 / log2(rank + 1) at each rank (Singh & Joachims 2018).

    Places that are empty (item_idx −1) or hold an item of no known group are left out. NaN where no place is left.

    >>> group_exposure(torch.tensor([[0, 1, 2], [0, 2, -1]]), torch.tensor([0, 1, 1]), n_groups=2)  # 2 to 2 / log2(3) + 1 / 2
    tensor([0.5317, 0.4683], dtype=torch.float64)
    """
    discount = 1 / torch.log2(torch.arange(2, item_idx.shape[1] + 2, dtype=torch.float64, device=item_idx.device))
    group = groups[item_idx].masked_fill(item_idx < 0, -1)
    return group_share(discount.expand(item_idx.shape).flatten(), group.flatten(), n_groups)


def group_share(weights: Float[Tensor, " n"], groups: Int64[Tensor, " n"], n_groups: int) -> PerGroup:
    """Each group's share of what the items weigh: of the catalogue with weights of 1, of merit with the users of each item.

    >>> group_share(torch.tensor([1.0, 1.0, 1.0, 1.0]), torch.tensor([0, 1, 1, -1]), n_groups=2)
    tensor([0.3333, 0.6667], dtype=torch.float64)
    """
    known = groups >= 0
    sums = torch.zeros(n_groups, dtype=torch.float64, device=weights.device).index_add_(0, groups[known], weights[known].double())
    return sums / sums.sum()


def exposure_ratio(exposure: PerGroup, due: PerGroup) -> PerGroup:
    """Exposure over what is due: 1 is fair, 2 is twice what is due (Singh & Joachims 2018).

    `due` is a share of the catalogue (demographic parity) or of merit, by `group_share`. NaN where neither is above 0.

    >>> exposure_ratio(torch.tensor([0.75, 0.25]).double(), torch.tensor([0.5, 0.5]).double())
    tensor([1.5000, 0.5000], dtype=torch.float64)
    """
    return exposure / due


def exposure_disparity(exposure: PerGroup, due: PerGroup) -> float:
    """Half of Σ |exposure − due|: the share of all exposure that would have to move for each group to have its due; 0 is fair, below 1.

    The total variation distance between the two distributions.

    >>> exposure_disparity(torch.tensor([0.75, 0.25]).double(), torch.tensor([0.5, 0.5]).double())
    0.25
    """
    return (exposure - due).abs().sum().item() / 2
