"""Last-item kNN: the neighbours of a user's last item."""

import numpy as np
from scipy.sparse import csr_array

from mmrec.data.interactions.histories import Histories
from mmrec.models.closed_form.interaction_rows import sparse_matrix
from mmrec.models.closed_form.neighbors import nearest, row_of_entries, without_diagonal
from mmrec.models.sequence.last_item import LastItemRecommender


class LastItemKNN(LastItemRecommender):
    """Scores by the shrunk cosine similarity of users to the user's last item, `n_ij / (√(n_i n_j) + shrinkage)`.

    The item-kNN of session-based recommendation (Ludewig & Jannach 2018, §3.1): `ItemKNN` with a history of one item.

    Args:
        n_neighbors: the neighbours that each item keeps.
        shrinkage: lowers the similarity of items with few users.
    """

    def __init__(self, n_neighbors: int = 200, shrinkage: float = 5.0) -> None:
        super().__init__()
        if n_neighbors < 1 or shrinkage < 0:
            raise ValueError(f"n_neighbors, shrinkage: expected at least 1 and at least 0, found {n_neighbors} and {shrinkage}")
        self.n_neighbors, self.shrinkage = n_neighbors, shrinkage

    def transitions(self, histories: Histories, n_items: int) -> csr_array:
        users = sparse_matrix(histories.matrix(n_items))
        items = users.T.tocsr()
        norm = np.sqrt(np.diff(items.indptr))

        def weigh(block: csr_array, start: int) -> None:
            block.data /= norm[row_of_entries(block) + start] * norm[block.indices] + np.float32(self.shrinkage + 1e-12)
            without_diagonal(block, start)

        return nearest(items, users, self.n_neighbors, weigh)
