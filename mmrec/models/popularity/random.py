"""Random: what chance achieves."""

from typing import Self

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmrec.models.closed_form.baseline import Baseline
from mmrec.types import DatasetSpec


class Random(Baseline):
    """Uniform numbers in [0, 1), drawn for every user anew: a function of `seed` and user_idx. Cold items take part."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def fit(self, spec: DatasetSpec) -> Self:
        self._n_items = spec.n_items
        return self

    def score_users(self, user_idx: Int64[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
        rows = [torch.rand(self._n_items, generator=self._generator(user)) for user in user_idx.tolist()]
        return torch.stack(rows) if rows else torch.empty(0, self._n_items)

    def _generator(self, user: int) -> torch.Generator:
        return torch.Generator().manual_seed((self.seed * 1_000_003 + user) % 2**63)
