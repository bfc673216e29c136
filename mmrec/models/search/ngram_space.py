"""Vectors of texts by their character n-grams, without training: hashed, weighted by rarity, of unit length."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from mmrec.data.interactions.matrix import InteractionMatrix

N_BUCKETS, N_DIMS = 2**15, 1024


def bucket(hashes: Int64[Tensor, " n"]) -> Int64[Tensor, " n"]:
    """Return the bucket of each n-gram, in which it has a weight and a trained vector."""
    return hashes % N_BUCKETS


def rarity(grams: InteractionMatrix) -> Float[Tensor, " n_buckets"]:
    """Return `ln(1 + n / (1 + df))` for each bucket, where `df` of the n texts have n-grams in it."""
    n = len(grams.indptr) - 1
    row = torch.repeat_interleave(torch.arange(n), grams.indptr.diff())
    pairs = torch.unique(row * N_BUCKETS + bucket(grams.indices))
    counts = torch.bincount(pairs % N_BUCKETS, minlength=N_BUCKETS)
    return torch.log1p(n / (1.0 + counts))


def ngram_vectors(
    row: Int64[Tensor, " n"], hashes: Int64[Tensor, " n"], n_rows: int, weights: Float[Tensor, " n_buckets"]
) -> Float[Tensor, "n_rows dims"]:
    """Return vectors whose inner products approximate the cosines of weighted bags of n-grams.

    Each n-gram adds its weight, with a sign of its own, to one dimension: feature hashing (Weinberger et al. 2009).

    Args:
        row: the text of each n-gram.
        hashes: the n-grams.
        n_rows: the number of texts.
        weights: by bucket, see `rarity`.
    """
    place, sign = (hashes >> 15) % N_DIMS, ((hashes >> 26) % 2 * 2 - 1).float()
    vectors = torch.zeros(n_rows * N_DIMS, device=hashes.device)
    vectors.index_add_(0, row * N_DIMS + place, sign * weights[bucket(hashes)])
    return F.normalize(vectors.view(n_rows, N_DIMS), dim=1)
