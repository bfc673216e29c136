"""KernelRidge: predict which users like an item from its content."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.models.closed_form.history_based import HistoryBasedRecommender
from mmrec.models.closed_form.interaction_rows import put_last, sparse_matrix
from mmrec.models.content.content_matrix import read_content
from mmrec.models.content.ridge import solve_ridge
from mmrec.types import DatasetSpec


class KernelRidge(HistoryBasedRecommender):
    """Kernel ridge regression from item content to the users of an item: `s_ui = x_uᵀ (K + λI)⁻¹ k_i`.

    See Saunders et al. 1998, "Ridge Regression Learning Algorithm in Dual Variables". K holds the cosines between training items
    (`read_content`), k_i those with item i, and x_u the user's items. Items without content are ranked last.

    Args:
        regularization: λ.
        sources: modalities, `kg` and `words`. None: all that the data have.
    """

    ranks_new_items = True
    left: Tensor
    right: Tensor
    absent: Tensor

    def __init__(self, regularization: float = 10.0, sources: list[str] | None = None) -> None:
        super().__init__()
        self.regularization, self.sources = regularization, sources

    def learn(self, owned: InteractionMatrix, spec: DatasetSpec) -> None:
        """Raises LackingData if no training item has any of the sources, and as `solve_ridge` does."""
        content = read_content(spec, self.sources)
        self.remember(**solve_ridge(content, self.regularization)._asdict(), absent=~content.present)

    def score_rows(self, owned: InteractionMatrix, user_idx: Int64[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
        profiles = torch.from_numpy(sparse_matrix(owned)[user_idx.numpy()] @ self.left.numpy())
        return put_last(profiles @ self.right.T, self.absent)
