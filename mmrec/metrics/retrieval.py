"""Retrieval recall between two sets of paired features: is each feature's partner among its nearest neighbours?"""

from jaxtyping import Float
from torch import Tensor


def retrieval_recall(queries: Float[Tensor, "n dim"], targets: Float[Tensor, "n dim"], k: int) -> float:
    """The fraction of queries whose partner (the target of the same row) is among the `k` targets with the largest inner product.

    Targets tied with the partner are ranked before and after it with equal probability, so constant targets give chance level, `k / n`.
    Raises ValueError if there are no queries.

    >>> import torch
    >>> retrieval_recall(torch.eye(3), torch.tensor([[0.9, 0.5, 0.0], [1.0, 0.4, 0.0], [0.8, 0.1, 1.0]]), k=2)
    1.0
    """
    if not len(queries):
        raise ValueError("retrieval_recall: expected at least one pair, found none")
    scores = queries.double() @ targets.double().T
    partner = scores.diagonal().unsqueeze(1)
    closer = (scores > partner).sum(1)
    equal = (scores == partner).sum(1)
    return ((k - closer) / equal).clamp(0, 1).mean().item()


def retrieval_chance(n: int, k: int) -> float:
    """The chance level of `retrieval_recall`: `k` of `n` targets.

    >>> retrieval_chance(40, 10)
    0.25
    """
    return min(k, n) / n
