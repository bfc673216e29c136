"""Vectors for users who are not in the training data: averages for users without history, regression for others."""

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from mmrec.data.interactions.histories import Histories
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.types import Interactions

_RIDGE = 1e-3


def occurring(idx: Int64[Tensor, " n"], size: int) -> Bool[Tensor, " size"]:
    """Whether each of 0 … size - 1 occurs in `idx`."""
    return torch.bincount(idx, minlength=size) > 0


def mean_for_new(users: Float[Tensor, "n_users dim"], known_users: Bool[Tensor, " n_users"]) -> Float[Tensor, "n_users dim"]:
    """Replace the vectors of users without training interactions by the mean vector of the others."""
    return torch.where(known_users[:, None], users, users[known_users].mean(dim=0))


def sums_of_items(owned: InteractionMatrix, items: Float[Tensor, "n_items dim"]) -> Float[Tensor, "n_users dim"]:
    """The sum of the vectors of each user's items."""
    user, item = owned.rows(torch.arange(owned.n_users, device=owned.indptr.device))
    return items.new_zeros(owned.n_users, items.shape[1]).index_add_(0, user, items.index_select(0, item))


class FoldInByRegression:
    """Predicts a user's vector from the mean vector of their items, by ridge regression fitted on the known users.

    A user given by a history is thus placed near users with similar items, whichever way the vectors were trained. Users without items get
    the mean vector of the known users. The regression is solved at the first call.
    """

    def __init__(self, users: Float[Tensor, "n_users dim"], items: Float[Tensor, "n_items dim"], train: Interactions) -> None:
        self.users, self.items, self.train = users, items, train
        self._weights: Float[Tensor, "dim_plus_1 dim"] | None = None

    def __call__(self, histories: Histories) -> Float[Tensor, "n_users dim"]:
        owned = histories.matrix(len(self.items))
        if self._weights is None:
            self._weights = self._solve()
        known = owned.degree > 0
        return torch.where(known[:, None], (self._means(owned) @ self._weights).float(), self._average())

    def _solve(self) -> Float[Tensor, "dim_plus_1 dim"]:
        user_idx, item_idx = (idx.to(self.items.device) for idx in (self.train.user_idx, self.train.item_idx))
        owned = InteractionMatrix.from_pairs(user_idx, item_idx, len(self.users), len(self.items))
        known = owned.degree > 0
        means, wanted = self._means(owned)[known], self.users[known].double()
        gram = means.T @ means
        gram.diagonal().add_(_RIDGE * gram.diagonal().mean().clamp(min=1e-12))
        weights: Tensor = torch.linalg.solve(gram, means.T @ wanted)
        return weights

    def _means(self, owned: InteractionMatrix) -> Float[Tensor, "n_users dim_plus_1"]:
        """The mean vectors of users' items with a 1 for the intercept, in double precision."""
        means = sums_of_items(owned, self.items.double()) / owned.degree.clamp(min=1)[:, None]
        return torch.nn.functional.pad(means, (0, 1), value=1.0)

    def _average(self) -> Float[Tensor, " dim"]:
        known = occurring(self.train.user_idx, len(self.users)).to(self.users.device)
        return self.users[known].mean(dim=0) if known.any() else self.users.mean(dim=0)
