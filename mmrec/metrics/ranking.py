"""Ranking metrics, one value per user; the caller takes the mean over users.

All functions have the same arguments. `relevance: (n_users, depth)` is True if the item at that rank is a positive, best rank first;
`n_positives: (n_users,)` counts all positives of the user, ranked or not, and is at least 1 (users without positives are left out before).
"""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from mmrec import plugins
from mmrec.errors import ConfigError

Relevance = Bool[Tensor, "n_users depth"]
Counts = Int64[Tensor, " n_users"]
PerUser = Float64[Tensor, " n_users"]


def recall(relevance: Relevance, n_positives: Counts, k: int) -> PerUser:
    """The number of positives among the first k, divided by the number of all positives (Manning, Raghavan & Schütze 2008, ch. 8).

    >>> recall(torch.tensor([[True, False, True]]), torch.tensor([4]), k=3)
    tensor([0.5000], dtype=torch.float64)
    """
    return relevance[:, :k].sum(dim=1).double() / n_positives


def precision(relevance: Relevance, n_positives: Counts, k: int) -> PerUser:
    """The number of positives among the first k, divided by k, also for shorter lists (Manning, Raghavan & Schütze 2008, ch. 8).

    >>> precision(torch.tensor([[True, False, True]]), torch.tensor([4]), k=5)
    tensor([0.4000], dtype=torch.float64)
    """
    return relevance[:, :k].sum(dim=1).double() / k


def hit_rate(relevance: Relevance, n_positives: Counts, k: int) -> PerUser:
    """1 if any of the first k is a positive, else 0 (Deshpande & Karypis 2004, there with one positive per user).

    >>> hit_rate(torch.tensor([[False, True], [False, False]]), torch.tensor([1, 2]), k=2)
    tensor([1., 0.], dtype=torch.float64)
    """
    return relevance[:, :k].any(dim=1).double()


def mrr(relevance: Relevance, n_positives: Counts, k: int) -> PerUser:
    """The reciprocal rank of the first positive, 0 if it is beyond k (Voorhees 1999).

    >>> mrr(torch.tensor([[False, True], [False, False]]), torch.tensor([1, 2]), k=2)
    tensor([0.5000, 0.0000], dtype=torch.float64)
    """
    top = relevance[:, :k]
    return (top.double() / _ranks(top)).amax(dim=1)


def map(relevance: Relevance, n_positives: Counts, k: int) -> PerUser:
    """Average precision at k: the sum of the precision at each rank up to k with a positive, divided by min(k, positives).

    Buckley & Voorhees 2000 divide by all positives, since they have no cutoff; with min(k, positives), 1 can be reached for any k.

    >>> map(torch.tensor([[True, False, True]]), torch.tensor([2]), k=3)
    tensor([0.8333], dtype=torch.float64)
    """
    top = relevance[:, :k].double()
    precision = top.cumsum(dim=1) / _ranks(top)
    return (precision * top).sum(dim=1) / n_positives.clamp(max=k)


def ndcg(relevance: Relevance, n_positives: Counts, k: int) -> PerUser:
    """The sum of 1 / log2(rank + 1) over positives, divided by that of the ideal list of length k (Järvelin & Kekäläinen 2002).

    >>> ndcg(torch.tensor([[False, True]]), torch.tensor([1]), k=2)
    tensor([0.6309], dtype=torch.float64)
    """
    top = relevance[:, :k].double()
    discount = 1 / torch.log2(torch.arange(2, k + 2, dtype=torch.float64, device=relevance.device))
    ideal = discount.cumsum(dim=0)[n_positives.clamp(max=k) - 1]
    return (top * discount[: top.shape[1]]).sum(dim=1) / ideal


METRICS = {"recall": recall, "ndcg": ndcg, "hit_rate": hit_rate, "mrr": mrr, "map": map, "precision": precision}


def known_metrics() -> dict[str, Callable[[Relevance, Counts, int], PerUser]]:
    """Return the metrics by name: those of this module, then those of installed packages (`mmrec.plugins`).

    Raises:
        ConfigError: a package has a metric with the name of one of this module.

    >>> list(known_metrics())[:2]
    ['recall', 'ndcg']
    """
    theirs = plugins.load_metrics()
    if taken := sorted(set(theirs) & set(METRICS)):
        raise ConfigError(f"{plugins.METRIC_GROUP}: a package calls a metric `{taken[0]}`, as one of mmrec's is called")
    return METRICS | theirs


def all_metrics(relevance: Relevance, n_positives: Counts, ks: list[int]) -> dict[str, PerUser]:
    """Every metric at every cutoff, with names such as `recall@20`."""
    return {f"{name}@{k}": metric(relevance, n_positives, k) for name, metric in known_metrics().items() for k in ks}


def _ranks(top: Tensor) -> Float64[Tensor, " k"]:
    return torch.arange(1, top.shape[1] + 1, dtype=torch.float64, device=top.device)
