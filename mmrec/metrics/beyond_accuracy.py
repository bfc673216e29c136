"""Beyond-accuracy metrics of recommendation lists: coverage, novelty, diversity, serendipity and calibration.

Lists are `item_idx: (n_users, k)`, best first, with −1 for empty positions, as returned by `mmrec.metrics.full_ranking.rank_users`. Means
over a list are over its items. Undefined values (no item, no pair, no category) are NaN, to be left out and counted by the caller:
`values.nanmean()`, `values.isnan().sum()`. Popularity is counted in the training part.
"""

import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from mmrec.data.interactions.matrix import InteractionMatrix

_CHUNK_BYTES = 64 * 2**20

Lists = Int64[Tensor, "n_users k"]
PerUser = Float64[Tensor, " n_users"]
PerItem = Int64[Tensor, " n_items"]


def count_exposure(item_idx: Lists, n_items: int) -> PerItem:
    """The number of lists that contain each item.

    >>> count_exposure(torch.tensor([[0, 2], [2, -1]]), n_items=4)
    tensor([1, 0, 2, 0])
    """
    return torch.bincount(item_idx[item_idx >= 0], minlength=n_items)


def catalogue_coverage(exposure: PerItem) -> float:
    """The fraction of the catalogue that occurs in at least one list (Herlocker et al. 2004; Ge et al. 2010).

    >>> catalogue_coverage(torch.tensor([1, 0, 2, 0]))
    0.5
    """
    return (exposure > 0).double().mean().item()


def gini(exposure: PerItem) -> float:
    """The Gini index of exposure: Σ_j (2j − n − 1) p_j / (n − 1), p the ascending shares of exposure (Shani & Gunawardana 2011).

    0 if all items are shown equally often, 1 if one item takes every position; NaN if nothing is shown or there is only one item.

    >>> gini(torch.tensor([1, 0, 2, 0]))  # shares 0, 0, 1/3, 2/3: (1 · 1/3 + 3 · 2/3) / 3
    0.7777777777777778
    """
    n = len(exposure)
    shares = exposure.double().sort().values / exposure.sum()
    weights = 2 * torch.arange(1, n + 1, dtype=torch.float64, device=exposure.device) - n - 1
    return (weights @ shares).item() / (n - 1) if n > 1 else torch.nan


def novelty(item_idx: Lists, item_degree: PerItem, n_users: int) -> PerUser:
    """Mean self-information −log2(users of the item / all users), in bits (Zhou et al. 2010; Vargas & Castells 2011).

    Items without interactions count as having one user, since their self-information would be infinite.

    >>> novelty(torch.tensor([[0, 1], [2, -1]]), torch.tensor([8, 2, 0]), n_users=8)
    tensor([1., 3.], dtype=torch.float64)
    """
    return _mean_over_list(item_idx, -torch.log2(item_degree.clamp(min=1).double() / n_users))


def average_popularity(item_idx: Lists, item_degree: PerItem) -> PerUser:
    """Mean number of users of the recommended items; its mean over users is ARP (Yin et al. 2012; Abdollahpouri et al. 2019).

    >>> average_popularity(torch.tensor([[0, 1], [2, -1]]), torch.tensor([8, 2, 0]))
    tensor([5., 0.], dtype=torch.float64)
    """
    return _mean_over_list(item_idx, item_degree.double())


def long_tail(item_degree: PerItem, head_share: float) -> Bool[Tensor, " n_items"]:
    """The items outside the head: the smallest set of items with `head_share` of all interactions; ties are broken by index.

    >>> long_tail(torch.tensor([1, 6, 0, 3]), head_share=0.8)
    tensor([ True, False,  True, False])
    """
    order = item_degree.argsort(descending=True, stable=True)
    before = item_degree[order].cumsum(0) - item_degree[order]  # interactions of more popular items
    tail = torch.empty_like(item_degree, dtype=torch.bool)
    tail[order] = before >= head_share * item_degree.sum()
    return tail


def tail_share(item_idx: Lists, tail: Bool[Tensor, " n_items"]) -> PerUser:
    """The fraction of a list in the long tail; its mean over users is APLT (Abdollahpouri et al. 2019).

    >>> tail_share(torch.tensor([[0, 1], [2, -1]]), torch.tensor([True, False, True]))
    tensor([0.5000, 1.0000], dtype=torch.float64)
    """
    return _mean_over_list(item_idx, tail.double())


def intra_list_distance(item_idx: Lists, vectors: Float[Tensor, "n_items dim"], present: Bool[Tensor, " n_items"]) -> PerUser:
    """Mean of 1 − cosine over the unordered pairs of a list, for vectors of any modality (Smyth & McClave 2001; Ziegler et al. 2005).

    Pairs with an item that is not `present` are left out; a zero vector has distance 1 from all others. Vectors are
    gathered for as many users at a time as fit into 64 MiB.

    >>> vectors = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0], [9.0, 9.0]])
    >>> intra_list_distance(torch.tensor([[0, 1, 2, 3], [0, 3, -1, -1]]), vectors, torch.tensor([True, True, True, False]))
    tensor([0.6667,    nan], dtype=torch.float64)
    """
    chunk = max(1, _CHUNK_BYTES // (8 * max(1, item_idx.shape[1] * vectors.shape[1])))
    return torch.cat([_mean_distance(part, vectors, present) for part in item_idx.split(chunk)])


def serendipity(item_idx: Lists, relevance: Bool[Tensor, "n_users k"], expected: Int64[Tensor, "n_users m"]) -> PerUser:
    """The fraction of a list that is relevant and not in the `expected` list of the popularity baseline (Ge et al. 2010).

    >>> serendipity(torch.tensor([[5, 7, 2, 4]]), torch.tensor([[True, False, True, False]]), torch.tensor([[5, 1, 0, 4]]))
    tensor([0.2500], dtype=torch.float64)
    """
    unexpected = ~(item_idx[:, :, None] == expected[:, None, :]).any(dim=2)
    listed = item_idx >= 0
    return (relevance & unexpected & listed).sum(dim=1).double() / listed.sum(dim=1)


def calibration(
    item_idx: Lists,
    user_idx: Int64[Tensor, " n_users"],
    history: InteractionMatrix,
    categories: Float[Tensor, "n_items n_categories"],
    alpha: float = 0.01,
) -> PerUser:
    """KL(p ‖ (1 − α) q + α p) in nats between the category distributions of a user's history, p, and list, q (Steck 2018).

    `categories` holds p(category | item): rows sum to 1, or are 0 for unknown items, which are left out of p and q. Items have equal
    weights, regardless of their rank. 0 is a list with the proportions of the history; the worst value is −log α.

    >>> history = InteractionMatrix.from_pairs(torch.tensor([0, 0]), torch.tensor([0, 1]), n_users=1, n_items=3)
    >>> drama_or_comedy = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    >>> calibration(torch.tensor([[0, 1], [0, 2]]), torch.tensor([0, 0]), history, drama_or_comedy)  # 0.5 log(0.5 / 0.995) + 0.5 log(100)
    tensor([0.0000, 1.9585], dtype=torch.float64)
    """
    position, item = history.rows(user_idx)
    taste = torch.zeros(len(user_idx), categories.shape[1], dtype=torch.float64, device=categories.device)
    taste.index_add_(0, position, categories.double()[item])
    listed = categories.double()[item_idx].masked_fill((item_idx < 0)[..., None], 0).sum(dim=1)
    p, q = (counts / counts.sum(dim=1, keepdim=True) for counts in (taste, listed))
    divergence: Tensor = torch.special.xlogy(p, p) - torch.special.xlogy(p, (1 - alpha) * q + alpha * p)
    return divergence.sum(dim=1)


def _mean_over_list(item_idx: Lists, values: Float64[Tensor, " n_items"]) -> PerUser:
    listed = item_idx >= 0
    return values[item_idx].masked_fill(~listed, 0).sum(dim=1) / listed.sum(dim=1)


def _mean_distance(item_idx: Lists, vectors: Float[Tensor, "n_items dim"], present: Bool[Tensor, " n_items"]) -> PerUser:
    there = (item_idx >= 0) & present[item_idx]
    n = there.sum(dim=1).double()
    unit = torch.nn.functional.normalize(vectors[item_idx].double(), dim=2).masked_fill(~there[..., None], 0)
    cosines = (unit.sum(dim=1).square().sum(dim=1) - unit.square().sum(dim=(1, 2))) / 2  # |Σ u|² = Σ |u|² + 2 Σ over pairs
    return torch.where(n > 1, 1 - cosines / (n * (n - 1) / 2), torch.nan)
