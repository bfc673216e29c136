"""ZeroShotText: recommend items whose text resembles the text about the user, without any training."""

from typing import Self

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from mmrec.data.interactions.histories import Histories
from mmrec.models.closed_form.interaction_rows import popular_for_new, put_last
from mmrec.models.fold_in import FoldInByRegression
from mmrec.models.multimodal.text_cf import check_texts
from mmrec.models.recommender import REQUIRED, ClosedFormRecommender
from mmrec.types import DatasetSpec, Interactions


class ZeroShotText(ClosedFormRecommender):
    """Cosine of the frozen vectors of an item's text and of the text about the user: what a language model recommends without training.

    Items without text are ranked last, and users without a text get popular items. The vectors of users given by histories are predicted
    by ridge regression.

    Args:
        centred: whether the mean of all users' vectors is subtracted from those of users, and likewise for items, which removes what all
            texts of a kind have in common.
    """

    ranks_new_items = True
    user_texts = REQUIRED
    users: Tensor
    items: Tensor
    unknown_users: Tensor
    absent: Tensor

    def __init__(self, centred: bool = False) -> None:
        super().__init__()
        self.centred = centred

    def fit(self, spec: DatasetSpec) -> Self:
        """Keep the vectors of all texts. Raises LackingData if there are none."""
        features, texts = check_texts(spec, "zero_shot_text")
        self.remember_interactions(spec)
        has_text = texts.features.present[: spec.n_users]
        users = self._directions(texts.features.values[: spec.n_users], has_text)
        self.remember(users=users, items=self._directions(features.values, features.present))
        self.remember(unknown_users=~has_text, absent=~features.present)
        return self

    def _directions(self, values: Float[Tensor, "n dim"], present: Tensor) -> Float[Tensor, "n dim"]:
        """The vectors of unit length; zero where absent."""
        centre = values[present].mean(dim=0) if self.centred else values.new_zeros(values.shape[1])
        return torch.where(present[:, None], F.normalize(values - centre, dim=1), 0.0)

    def score_users(self, user_idx: Int64[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
        scores = put_last(self.users[user_idx] @ self.items.T, self.absent)
        return popular_for_new(scores, self.unknown_users[user_idx], self.interactions)

    def score_histories(self, histories: Histories) -> Float[Tensor, "n_users n_items"]:
        owned = self.interactions
        train = Interactions(*owned.rows(torch.arange(owned.n_users)))
        scores = put_last(FoldInByRegression(self.users, self.items, train)(histories) @ self.items.T, self.absent)
        return popular_for_new(scores, histories.n_events == 0, owned)
