"""nDCG with graded relevance: for example, a rating of 5 is worth more than one of 3."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from mmrec.data.interactions.matrix import InteractionMatrix, is_member

PerUser = Float64[Tensor, " n_users"]
Gain = Callable[[Tensor], Tensor]


def linear(grades: Float[Tensor, "*shape"]) -> Float64[Tensor, "*shape"]:
    """The grade itself (Järvelin & Kekäläinen 2002).

    >>> linear(torch.tensor([0.0, 1.0, 3.0]))
    tensor([0., 1., 3.], dtype=torch.float64)
    """
    return grades.double()


def graded_ndcg(grades: Float[Tensor, "n_users depth"], ideal: Float[Tensor, "n_users m"], k: int, gain: Gain = linear) -> PerUser:
    """Σ gain(grade at rank r) / log2(r + 1) over the first k ranks, divided by the same sum for the user's k highest grades.

    `grades` are those of the items at each rank, 0 for items that are not positives; `ideal` are all grades of the user in any order,
    padded with 0. Grades are nonnegative, and every user has a positive one. With grades of 0 and 1 this is `mmrec.metrics.ranking.ndcg`.

    >>> graded_ndcg(torch.tensor([[1.0, 2.0]]), torch.tensor([[1.0, 2.0]]), k=2)  # (1 + 2 / log2(3)) / (2 + 1 / log2(3))
    tensor([0.8597], dtype=torch.float64)
    >>> graded_ndcg(torch.tensor([[1.0, 2.0]]), torch.tensor([[1.0, 2.0]]), k=2, gain=lambda grades: grades.double().exp2() - 1)
    tensor([0.7967], dtype=torch.float64)
    """
    best = ideal.sort(dim=1, descending=True).values
    return _dcg(gain(grades[:, :k])) / _dcg(gain(best[:, :k]))


def grade_pairs(
    user_idx: Int64[Tensor, " n"], item_idx: Int64[Tensor, " n"], grades: Float[Tensor, " n"], n_users: int, n_items: int
) -> tuple[InteractionMatrix, Float64[Tensor, " nnz"]]:
    """Build a matrix of graded events in any order, and the grade of each entry; for duplicates, the highest grade.

    >>> grade_pairs(torch.tensor([0, 0, 0]), torch.tensor([1, 0, 1]), torch.tensor([3.0, 2.0, 5.0]), n_users=1, n_items=2)[1]
    tensor([2., 5.], dtype=torch.float64)
    """
    positives = InteractionMatrix.from_pairs(user_idx, item_idx, n_users, n_items)
    entry = torch.searchsorted(positives.keys(), user_idx * n_items + item_idx)
    empty = torch.full_like(positives.indices, -torch.inf, dtype=torch.float64)
    return positives, empty.scatter_reduce(0, entry, grades.double(), "amax")


def look_up_grades(
    user_idx: Int64[Tensor, " n_users"], item_idx: Int64[Tensor, "n_users k"], positives: InteractionMatrix, grades: Float64[Tensor, " nnz"]
) -> Float64[Tensor, "n_users k"]:
    """The grade of each ranked item for its user, 0 for items that are not positives and empty positions (item_idx −1).

    >>> positives, grades = grade_pairs(torch.tensor([0, 0]), torch.tensor([2, 0]), torch.tensor([4.0, 3.0]), n_users=1, n_items=3)
    >>> look_up_grades(torch.tensor([0]), torch.tensor([[2, 1, -1]]), positives, grades)
    tensor([[4., 0., 0.]], dtype=torch.float64)
    """
    keys, wanted = positives.keys(), user_idx[:, None] * positives.n_items + item_idx
    found = is_member(keys, wanted) & (item_idx >= 0)
    result = torch.zeros_like(wanted, dtype=torch.float64)
    result[found] = grades[torch.searchsorted(keys, wanted[found])]
    return result


def pad_grades(
    user_idx: Int64[Tensor, " n_users"], positives: InteractionMatrix, grades: Float64[Tensor, " nnz"]
) -> Float64[Tensor, "n_users m"]:
    """All grades of each user in one row, padded with 0; the `ideal` of `graded_ndcg`.

    >>> positives, grades = grade_pairs(torch.tensor([0, 1, 1]), torch.tensor([2, 0, 1]), torch.tensor([4.0, 3.0, 5.0]), 2, 3)
    >>> pad_grades(torch.tensor([0, 1]), positives, grades)
    tensor([[4., 0.],
            [3., 5.]], dtype=torch.float64)
    """
    counts = positives.degree[user_idx]
    column = torch.arange(int(counts.max()) if len(counts) else 0, device=counts.device)
    inside = column < counts[:, None]
    result = torch.zeros(inside.shape, dtype=torch.float64, device=counts.device)
    result[inside] = grades[(positives.indptr[user_idx][:, None] + column)[inside]]
    return result


def _dcg(gains: Float64[Tensor, "n_users depth"]) -> PerUser:
    ranks = torch.arange(1, gains.shape[1] + 1, dtype=torch.float64, device=gains.device)
    return (gains / torch.log2(ranks + 1)).sum(dim=1)
