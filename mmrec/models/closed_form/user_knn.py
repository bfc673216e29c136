"""UserKNN: recommend items of users with a similar history."""

import numpy as np
import torch
from jaxtyping import Float, Int64
from scipy.sparse import csr_array
from torch import Tensor

from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.models.closed_form.history_based import HistoryBasedRecommender
from mmrec.models.closed_form.interaction_rows import sparse_matrix, sparse_rows
from mmrec.models.closed_form.neighbors import nearest, row_of_entries
from mmrec.types import DatasetSpec


class UserKNN(HistoryBasedRecommender):
    """The sum over the `n_neighbors` most similar users who have the item of the shrunk cosine `|I_u ∩ I_v| / (√(|I_u||I_v|) + shrinkage)`.

    Resnick et al. 1994; Aiolli 2013 for binary data. Similarities are computed, as sparse rows, for the users of a batch when they are
    scored. A user is not their own neighbour: the first training user with exactly the same items is considered to be that user.

    Args:
        n_neighbors: the number of neighbours.
        shrinkage: lowers the similarity of users with few items.
    """

    def __init__(self, n_neighbors: int = 100, shrinkage: float = 10.0) -> None:
        super().__init__()
        if n_neighbors < 1 or shrinkage < 0:
            raise ValueError(f"n_neighbors, shrinkage: expected at least 1 and at least 0, found {n_neighbors} and {shrinkage}")
        self.n_neighbors, self.shrinkage = n_neighbors, shrinkage

    def learn(self, owned: InteractionMatrix, spec: DatasetSpec) -> None:
        """Nothing to learn: the training interactions are the model."""

    def score_rows(self, owned: InteractionMatrix, user_idx: Int64[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
        rows, asked = sparse_matrix(self.interactions), sparse_rows(owned, user_idx)
        degree, asked_degree = np.diff(rows.indptr), np.diff(asked.indptr)

        def weigh(block: csr_array, start: int) -> None:
            mine = row_of_entries(block)
            theirs, of_asked = degree[block.indices], asked_degree[start:][mine]
            same = np.flatnonzero((block.data == of_asked) & (theirs == of_asked))
            block.data /= np.sqrt(theirs * of_asked.astype(np.float32)) + np.float32(self.shrinkage + 1e-12)
            by_index = same[np.lexsort((block.indices[same], mine[same]))]
            block.data[by_index[np.unique(mine[by_index], return_index=True)[1]]] = 0

        neighbors = nearest(asked, rows.T.tocsr(), self.n_neighbors, weigh)
        return torch.from_numpy((neighbors @ rows).toarray())
