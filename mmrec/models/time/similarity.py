"""Vectors of items for the similarity between what a user chose and what they may choose next."""

from collections.abc import Iterator

import scipy.sparse
import torch
import torch.nn.functional as F
from jaxtyping import Float
from scipy.sparse.linalg import svds
from torch import Tensor

from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.nn.item_features import standardize
from mmrec.types import COLLABORATIVE, DatasetSpec

_RANK = 32


def similarity_vectors(spec: DatasetSpec) -> Iterator[tuple[str, Float[Tensor, "n_items dim"]]]:
    """Yield unit vectors of the items by each kind of evidence: frozen features, and co-occurrence in the training part.

    Items without the evidence have zero vectors.
    """
    for name, features in spec.features.items():
        centred = standardize(features.values, features.present) * features.present[:, None]
        yield name, F.normalize(_leading(centred), dim=1)
    yield COLLABORATIVE, F.normalize(_co_occurrence(spec), dim=1)


def _leading(vectors: Float[Tensor, "n_items dim"]) -> Float[Tensor, "n_items rank"]:
    """The leading principal components."""
    if vectors.shape[1] <= _RANK:
        return vectors
    covariance = vectors.double().T @ vectors.double()
    components: Tensor = torch.linalg.eigh(covariance).eigenvectors[:, -_RANK:]
    return vectors @ components.float()


def _co_occurrence(spec: DatasetSpec) -> Float[Tensor, "n_items rank"]:
    """The leading right singular vectors of the interactions, normalised by the degrees of users and items, scaled by their values."""
    owned = InteractionMatrix.from_pairs(spec.train.user_idx, spec.train.item_idx, spec.n_users, spec.n_items)
    user, item = owned.rows(torch.arange(spec.n_users))
    values = (owned.degree[user].double() * owned.item_degree[item].double()).rsqrt().numpy()
    matrix = scipy.sparse.csr_matrix((values, (user.numpy(), item.numpy())), shape=(spec.n_users, spec.n_items))
    rank = min(_RANK + 1, min(matrix.shape) - 1)
    if rank < 1:
        return torch.zeros(spec.n_items, 1)
    start = torch.ones(min(matrix.shape), dtype=torch.float64).numpy()
    _, value, right = svds(matrix, k=rank, v0=start)
    kept = value.argsort()[::-1][1:] if rank > 1 else [0]  # the first one is the popularity
    scaled = (right * value[:, None])[kept].T
    return torch.from_numpy(scaled.copy()).float()
