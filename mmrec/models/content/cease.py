"""CEASE and add-EASE: EASE with item content, by one regression on both or by the sum of two."""

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.models.closed_form.history_based import HistoryBasedRecommender
from mmrec.models.closed_form.interaction_rows import put_last, sparse_matrix
from mmrec.models.content.content_matrix import Content, read_content
from mmrec.models.content.ridge import check_memory
from mmrec.types import DatasetSpec

_BYTES = 28
"""Bytes per entry of an item × item matrix: the Gram matrix and its inverse in double precision, a kernel and the weights in single."""


class CEASE(HistoryBasedRecommender):
    """Item-item weights with zero diagonal that reconstruct interactions X and content T: `min ‖X - XB‖² + content_weight ‖T - TB‖² +
    λ‖B‖²`.

    The collective model of Jeunen et al. 2020, "Closed-Form Models for Collaborative Filtering with Side-Information": EASE with the Gram
    matrix `XᵀX + content_weight TᵀT`, where TᵀT are the cosines of `read_content`. Memory is quadratic and time cubic in the number of
    items.

    Args:
        regularization: λ.
        content_weight: the weight of content.
        sources: modalities, `kg` and `words`. None: all that the data have.
    """

    ranks_new_items = True
    weights: Tensor
    unknown: Tensor

    def __init__(self, regularization: float = 200.0, content_weight: float = 30.0, sources: list[str] | None = None) -> None:
        super().__init__()
        self.regularization, self.content_weight, self.sources = regularization, content_weight, sources

    def learn(self, owned: InteractionMatrix, spec: DatasetSpec) -> None:
        """Raises LackingData if no training item has any of the sources, or if the matrices would take more than 2 GiB."""
        content = _read(spec, self.sources, "CEASE")
        gram = _gram(owned) + self.content_weight * _kernel(content)
        self.remember(weights=zero_diagonal_weights(gram, self.regularization), unknown=_unknown(owned, content))

    def score_rows(self, owned: InteractionMatrix, user_idx: Int64[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
        return _scores(self, owned, user_idx)


class AddEASE(HistoryBasedRecommender):
    """The weighted sum of two EASE models, `share B_T + (1 - share) B_X`, one on interactions and one on content.

    The additive model of Jeunen et al. 2020, with the cosines of `read_content` as the Gram matrix of content. Memory is quadratic and time
    cubic in the number of items.

    Args:
        regularization: λ of interactions.
        content_regularization: λ of content.
        share: the weight of content, from 0 to 1.
        sources: modalities, `kg` and `words`. None: all that the data have.
    """

    ranks_new_items = True
    weights: Tensor
    unknown: Tensor

    def __init__(
        self,
        regularization: float = 200.0,
        content_regularization: float = 10.0,
        share: float = 0.5,
        sources: list[str] | None = None,
    ) -> None:
        super().__init__()
        if not 0 <= share <= 1:
            raise ValueError(f"share: expected a number from 0 to 1, found {share}")
        self.regularization, self.content_regularization = regularization, content_regularization
        self.share, self.sources = share, sources

    def learn(self, owned: InteractionMatrix, spec: DatasetSpec) -> None:
        """Raises LackingData as CEASE does."""
        content = _read(spec, self.sources, "add-EASE")
        weights = (1 - self.share) * zero_diagonal_weights(_gram(owned), self.regularization)
        weights += self.share * zero_diagonal_weights(_kernel(content), self.content_regularization)
        self.remember(weights=weights, unknown=_unknown(owned, content))

    def score_rows(self, owned: InteractionMatrix, user_idx: Int64[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
        return _scores(self, owned, user_idx)


def zero_diagonal_weights(gram: Float[Tensor, "n_items n_items"], regularization: float) -> Float[Tensor, "n_items n_items"]:
    """`B_ij = -P_ij / P_jj` with `P = (G + λI)⁻¹` and zero diagonal (Steck 2019, eq. 8)."""
    gram.diagonal().add_(regularization)
    inverse = torch.linalg.inv(gram)
    weights: Tensor = (-inverse / inverse.diagonal()).fill_diagonal_(0).float()
    return weights


def _read(spec: DatasetSpec, sources: list[str] | None, model: str) -> Content:
    check_memory(_BYTES * spec.n_items**2, model, "items")
    return read_content(spec, sources)


def _gram(owned: InteractionMatrix) -> Float[Tensor, "n_items n_items"]:
    """The number of common users of each pair of items."""
    matrix = sparse_matrix(owned)
    return torch.from_numpy((matrix.T @ matrix).toarray().astype(np.float64))


def _kernel(content: Content) -> Float[Tensor, "n_items n_items"]:
    return torch.from_numpy(content.kernel(torch.ones_like(content.known)).astype(np.float64))


def _unknown(owned: InteractionMatrix, content: Content) -> Bool[Tensor, " n_items"]:
    """Items without interactions and content."""
    return ~((owned.item_degree > 0) | content.present)


def _scores(model: CEASE | AddEASE, owned: InteractionMatrix, user_idx: Int64[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
    scores = torch.from_numpy(sparse_matrix(owned)[user_idx.numpy()] @ model.weights.numpy())
    return put_last(scores, model.unknown)
