"""FactorRidge: iALS with the factors of new items predicted from their content."""

from functools import partial
from typing import Self

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from mmrec.data.interactions.histories import Histories
from mmrec.models.closed_form.ials import IALS
from mmrec.models.closed_form.interaction_rows import popular_for_new, put_last
from mmrec.models.content.content_matrix import read_content
from mmrec.models.content.ridge import solve_ridge
from mmrec.models.fold_in import FoldInByRegression
from mmrec.models.recommender import ClosedFormRecommender
from mmrec.types import DatasetSpec, Interactions


class FactorRidge(ClosedFormRecommender):
    """iALS in which the factors of items without training interactions are predicted from content by ridge regression.

    The linear map of Gantner et al. 2010, "Learning Attribute-to-Feature Mappings for Cold-Start Recommendations". Users given by a history
    get the vector predicted by `FoldInByRegression`.

    Args:
        regularization: λ of the linear map.
        sources: modalities, `kg` and `words`. None: all that the data have.
        embedding_dim, factor_regularization, alpha, seed: of iALS.
    """

    ranks_new_items = True
    users: Tensor
    items: Tensor
    absent: Tensor

    def __init__(
        self,
        regularization: float = 10.0,
        sources: list[str] | None = None,
        embedding_dim: int = 64,
        factor_regularization: float = 10.0,
        alpha: float = 3.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.regularization, self.sources = regularization, sources
        self.ials = partial(IALS, embedding_dim=embedding_dim, regularization=factor_regularization, alpha=alpha, seed=seed)

    def fit(self, spec: DatasetSpec) -> Self:
        owned, content = self.remember_interactions(spec), read_content(spec, self.sources)
        ials = self.ials().fit(spec)
        known = owned.item_degree > 0
        mapped = solve_ridge(content, self.regularization).predict(ials.items * known[:, None])
        self.remember(users=ials.users, items=torch.where(known[:, None], ials.items, mapped), absent=~(known | content.present))
        return self

    def score_users(self, user_idx: Int64[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
        return self._score(self.users[user_idx], self.interactions.degree[user_idx] == 0)

    def score_histories(self, histories: Histories) -> Float[Tensor, "n_users n_items"]:
        train = Interactions(*self.interactions.rows(torch.arange(len(self.users))))
        return self._score(FoldInByRegression(self.users, self.items, train)(histories), histories.n_events == 0)

    def _score(self, users: Float[Tensor, "batch dim"], is_new: Bool[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
        return popular_for_new(put_last(users @ self.items.T, self.absent), is_new, self.interactions)
