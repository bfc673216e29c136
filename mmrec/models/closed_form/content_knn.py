"""ContentKNN: recommend items whose text, picture or other content is similar to the user's items, without training."""

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from scipy.sparse import csr_matrix
from torch import Tensor

from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.models.closed_form.history_based import HistoryBasedRecommender
from mmrec.models.closed_form.interaction_rows import put_last, sparse_rows
from mmrec.models.content.content_matrix import WORDS, Content, read_content
from mmrec.models.recommender import LackingData
from mmrec.types import KG, TEXT, DatasetSpec


class ContentKNN(HistoryBasedRecommender):
    """Cosine of an item's features with a user's profile, the mean of the features of their training items.

    Rocchio's method with dense vectors (Pazzani & Billsus 2007, section 10.6). Vectors are standardised by mean and standard deviation over
    the items with training interactions; graph neighbours (`kg`) and words (`words`) are sparse rows weighted by inverse document
    frequency. Items without the modality are ranked last and are not part of profiles; all other items tie for users without a profile.

    Args:
        modality: a modality with features, `kg` or `words`.
    """

    ranks_new_items = True
    values: Tensor
    row_starts: Tensor
    columns: Tensor
    absent: Tensor

    def __init__(self, modality: str = TEXT) -> None:
        super().__init__()
        self.modality = modality

    def learn(self, owned: InteractionMatrix, spec: DatasetSpec) -> None:
        """Raises LackingData if no training item has the modality."""
        if self.modality in (KG, WORDS):
            self._learn_sparse(read_content(spec, [self.modality]))
            return
        features = spec.features.get(self.modality)
        if features is None or not (known := features.present & (owned.item_degree > 0)).any():
            raise LackingData(f"the data have no {self.modality} features of training items")
        mean, deviation = features.values[known].mean(dim=0), features.values[known].std(dim=0, correction=0)
        values = (features.values - mean) / torch.where(deviation > 1e-6 * mean.abs(), deviation, torch.inf)
        self.remember(values=torch.where(features.present[:, None], values, 0.0), absent=~features.present)

    def _learn_sparse(self, content: Content) -> None:
        block = csr_matrix(content.blocks[self.modality])
        places = {"row_starts": torch.from_numpy(block.indptr), "columns": torch.from_numpy(block.indices)}
        self.remember(values=torch.from_numpy(block.data), absent=~content.present, **places)

    def score_rows(self, owned: InteractionMatrix, user_idx: Int64[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
        rows = sparse_rows(owned, user_idx)
        if self.modality in (KG, WORDS):
            shape = (len(self.row_starts) - 1, int(self.columns.max()) + 1)
            block = csr_matrix((self.values.numpy(), self.columns.numpy(), self.row_starts.numpy()), shape=shape)
            profiles = rows @ block
            lengths = np.sqrt(np.asarray(profiles.multiply(profiles).sum(axis=1)))
            scores = (profiles @ block.T).toarray() / np.maximum(lengths, 1e-12).reshape(-1, 1)
            return put_last(torch.from_numpy(scores.astype(np.float32)), self.absent)
        profiles = torch.from_numpy(rows @ self.values.numpy())  # a sum instead of a mean: the length is irrelevant
        scores = F.normalize(profiles) @ self.values.T
        return put_last(scores.div_(self.values.norm(dim=1).clamp_(min=1e-12)), self.absent)  # saves a normalised copy of the values
