"""ContentKNN: items whose text or picture is like what the user had. The one model without training that ranks new items."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.models.closed_form.history_based import HistoryBasedRecommender
from mmrec.models.closed_form.interaction_rows import put_last, sparse_rows
from mmrec.models.recommender import LackingData
from mmrec.types import TEXT, DatasetSpec


class ContentKNN(HistoryBasedRecommender):
    """Cosine of an item's features with a user's profile, the mean of the features of their training items (Pazzani & Billsus 2007,
    section 10.6, Rocchio's method with dense vectors).

    Features are those of one `modality`, standardised by mean and deviation over the items with training interactions. An item without the
    modality is last and is no part of a profile; a user without a profile scores all others equal.
    """

    ranks_new_items = True
    values: Tensor
    absent: Tensor

    def __init__(self, modality: str = TEXT) -> None:
        super().__init__()
        self.modality = modality

    def learn(self, owned: InteractionMatrix, spec: DatasetSpec) -> None:
        """Raises LackingData where no training item has the modality."""
        features = spec.features.get(self.modality)
        if features is None or not (known := features.present & (owned.item_degree > 0)).any():
            raise LackingData(f"the data have no {self.modality} features of training items")
        mean, deviation = features.values[known].mean(dim=0), features.values[known].std(dim=0, correction=0)
        values = (features.values - mean) / torch.where(deviation > 1e-6 * mean.abs(), deviation, torch.inf)
        self.remember(values=torch.where(features.present[:, None], values, 0.0), absent=~features.present)

    def score_rows(self, owned: InteractionMatrix, user_idx: Int64[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
        profiles = torch.from_numpy(sparse_rows(owned, user_idx) @ self.values.numpy())  # a sum: its length is of no account
        scores = F.normalize(profiles) @ self.values.T
        return put_last(scores.div_(self.values.norm(dim=1).clamp_(min=1e-12)), self.absent)  # normalised values would be a copy a batch
