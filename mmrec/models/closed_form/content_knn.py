"""ContentKNN: items whose text or picture is like what the user had. The one baseline that can rank new items."""

from typing import Self

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from mmrec.models.closed_form.baseline import Baseline, LackingData, interaction_matrix, popular_for_new, put_last, sparse_matrix
from mmrec.types import DatasetSpec


class ContentKNN(Baseline):
    """Cosine of an item's features with a user's profile, the mean of the features of their training items (Pazzani & Billsus 2007,
    section 10.6, Rocchio's method with dense vectors).

    Features are those of one `modality`, standardised by mean and deviation over the items with training interactions. An item without the
    modality is last and is no part of a profile; a user without a profile scores all others equal.
    """

    def __init__(self, modality: str) -> None:
        self.modality = modality

    def fit(self, spec: DatasetSpec) -> Self:
        """Raises LackingData where no training item has the modality."""
        self._train = train = interaction_matrix(spec)
        features = spec.features.get(self.modality)
        known = features.present & (train.item_degree > 0) if features is not None else None
        if known is None or not known.any():
            raise LackingData(f"the data have no {self.modality} features of training items")
        mean, deviation = features.values[known].mean(dim=0), features.values[known].std(dim=0, correction=0)
        values = (features.values - mean) / torch.where(deviation > 1e-6 * mean.abs(), deviation, torch.inf)
        values = torch.where(features.present[:, None], values, 0.0)
        profiles = torch.from_numpy(sparse_matrix(train) @ values.numpy())  # a sum: its length plays no part in a cosine
        self._items, self._profiles, self._absent = F.normalize(values), F.normalize(profiles), ~features.present
        return self

    def score_users(self, user_idx: Int64[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
        scores = put_last(self._profiles[user_idx] @ self._items.T, self._absent)
        return popular_for_new(scores, user_idx, self._train)
