"""The gradients of several tasks on shared parameters: how large they are, and whether they point in the same direction."""

from collections.abc import Sequence
from itertools import combinations

import torch
from jaxtyping import Float
from torch import Tensor, nn


def task_gradients(losses: Float[Tensor, " n"], parameters: Sequence[nn.Parameter]) -> Float[Tensor, "n n_numbers"]:
    """Return the gradient of each loss on all parameters, one after the other. The graph is kept."""
    rows = []
    for loss in losses:
        found = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
        dense = [torch.zeros_like(p) if g is None else g.to_dense() if g.is_sparse else g for g, p in zip(found, parameters, strict=True)]
        rows.append(torch.cat([part.flatten().float() for part in dense]))
    return torch.stack(rows)


def pairwise_cosines(gradients: Float[Tensor, "n n_numbers"]) -> Float[Tensor, " n_pairs"]:
    """Return the cosine of every pair of gradients, in the order of `itertools.combinations`; 0 where one of them is 0.

    >>> pairwise_cosines(torch.tensor([[1.0, 0.0], [-2.0, 0.0], [0.0, 3.0]])).tolist()
    [-1.0, 0.0, 0.0]
    """
    unit = torch.nn.functional.normalize(gradients, dim=1)
    pairs = [unit[one] @ unit[other] for one, other in combinations(range(len(unit)), 2)]
    return torch.stack(pairs) if pairs else gradients.new_zeros(0)
