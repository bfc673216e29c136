"""Users and items as vectors whose product is the score: what iALS, BPR-MF and LightGCN give."""

from typing import NamedTuple

from jaxtyping import Bool, Float, Int64
from torch import Tensor

from mmrec.baselines.baseline import put_last


class Factors(NamedTuple):
    """Fitted vectors, and which items have no training interaction."""

    users: Float[Tensor, "n_users dim"]
    items: Float[Tensor, "n_items dim"]
    cold: Bool[Tensor, " n_items"]

    def score(self, user_idx: Int64[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
        """The inner products, cold items last."""
        return put_last(self.users[user_idx] @ self.items.T, self.cold)
