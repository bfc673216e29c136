"""ItemKNN: recommend items that are similar to those in the user's history."""

import numpy as np
from scipy.sparse import csr_array

from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.models.closed_form.interaction_rows import sparse_matrix
from mmrec.models.closed_form.neighbors import NeighborhoodRecommender, nearest, row_of_entries, without_diagonal
from mmrec.types import DatasetSpec

WEIGHTINGS = ("none", "tfidf", "bm25")
_K1, _B = 1.2, 0.75
"""The parameters of BM25 recommended by Robertson & Zaragoza 2009."""


class ItemKNN(NeighborhoodRecommender):
    """The sum over the history of shrunk cosine similarities, `s_ij = w_i·w_j / (|w_i||w_j| + shrinkage)`, to the nearest items.

    Each item keeps its `n_neighbors` most similar items (Sarwar et al. 2001; Deshpande & Karypis 2004). `w_iu` is 1 for every user u of
    item i, so that the product is the number of common users. Items can be weighted like documents whose terms are users (Ferrari Dacrema
    et al. 2019): `tfidf` weights a user by `ln(n_items / |I_u|)`, so that users with few items count more, and `bm25` also normalises by
    the document length, `k1 (1 - b + b |U_i| / mean |U|) + 1`.

    Args:
        n_neighbors: the neighbours that each item keeps.
        shrinkage: lowers the similarity of items with few users.
        weighting: `none`, `tfidf` or `bm25`.
    """

    def __init__(self, n_neighbors: int = 100, shrinkage: float = 10.0, weighting: str = "none") -> None:
        super().__init__()
        if n_neighbors < 1 or shrinkage < 0:
            raise ValueError(f"n_neighbors, shrinkage: expected at least 1 and at least 0, found {n_neighbors} and {shrinkage}")
        if weighting not in WEIGHTINGS:
            raise ValueError(f"weighting: expected one of {', '.join(WEIGHTINGS)}, found `{weighting}`")
        self.n_neighbors, self.shrinkage, self.weighting = n_neighbors, shrinkage, weighting

    def learn(self, owned: InteractionMatrix, spec: DatasetSpec) -> None:
        items = weigh_terms(sparse_matrix(owned).T.tocsr(), self.weighting)
        norm = np.sqrt(np.asarray((items * items).sum(axis=1)))

        def weigh(block: csr_array, start: int) -> None:
            norms = norm[row_of_entries(block) + start] * norm[block.indices]
            block.data /= norms + np.float32(self.shrinkage + 1e-12)
            without_diagonal(block, start)

        self.remember_weights(nearest(items, items.T.tocsr(), self.n_neighbors, weigh).T.tocsr())


def weigh_terms(documents: csr_array, weighting: str) -> csr_array:
    """Weight the terms in binary rows of documents, see `ItemKNN`."""
    if weighting == "none":
        return documents
    frequency = np.bincount(documents.indices, minlength=documents.shape[1])
    rarity = np.log(documents.shape[0] / np.maximum(frequency, 1))
    weights = rarity[documents.indices]
    if weighting == "bm25":
        length = np.diff(documents.indptr)
        weights *= ((_K1 + 1) / (_K1 * (1 - _B + _B * length / max(length.mean(), 1e-12)) + 1))[row_of_entries(documents)]
    return csr_array((weights.astype(np.float32), documents.indices, documents.indptr), shape=documents.shape)
