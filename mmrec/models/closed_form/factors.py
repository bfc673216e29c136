"""Users and items as vectors whose product is the score: what iALS, BPR-MF and LightGCN give."""

from typing import NamedTuple

from jaxtyping import Float, Int64
from torch import Tensor

from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.models.closed_form.baseline import popular_for_new, put_last


class Factors(NamedTuple):
    """Fitted vectors, and what they were fitted to."""

    users: Float[Tensor, "n_users dim"]
    items: Float[Tensor, "n_items dim"]
    train: InteractionMatrix

    def score(self, user_idx: Int64[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
        """The inner products, cold items last; for users without training interactions what is popular."""
        scores = put_last(self.users[user_idx] @ self.items.T, self.train.item_degree == 0)
        return popular_for_new(scores, user_idx, self.train)
