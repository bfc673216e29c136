"""Bayesian matrix factorisation of ratings: predictions averaged over samples of the posterior."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from mmrec.models.content.content_matrix import read_content
from mmrec.models.rating.biased_mf import product_with_biases
from mmrec.models.rating.low_rank import compress_products, principal_components
from mmrec.models.rating.normal_prior import NormalPrior, sample_prior, sample_rows, sample_slopes
from mmrec.models.rating.predictor import RatingFactors, rated_values
from mmrec.models.rating.ridge_rows import Cells
from mmrec.models.recommender import LackingData
from mmrec.types import DatasetSpec, Interactions

_NOISE = 1.5
_KEPT = 30
"""The number of products that are kept before they are compressed to one."""


class BayesianMF(RatingFactors):
    """Predicts the posterior mean of `μ + b_u + b_i + p_u·q_i` by Gibbs sampling (Salakhutdinov & Mnih 2008).

    Biases and vectors of a side have a common normal prior, whose mean and covariance have a normal-Wishart prior; the noise has a gamma
    prior. The mean of an item's prior is a linear function of its content, which is sampled as well (Simm et al. 2017, Macau), so that new
    items are predicted from content. Nothing is tuned but sizes: the strength of the regularization follows from the data.

    The average of the sampled products is compressed to two matrices of rank `rank`, on the way, so that memory is that of 30 samples.

    Args:
        embedding_dim: the size of p and q.
        n_samples: the number of samples that are averaged.
        n_burn_in: the number of samples before.
        n_components: the principal components of content; 0: none is used.
        rank: the columns of the compressed matrices.
        seed: of the sampler.
    """

    def __init__(
        self, embedding_dim: int = 12, n_samples: int = 150, n_burn_in: int = 30, n_components: int = 20, rank: int = 64, seed: int = 0
    ) -> None:
        super().__init__()
        if embedding_dim < 1 or n_samples < 1 or rank < 1:
            raise ValueError(f"embedding_dim, n_samples, rank: expected at least 1, found {embedding_dim}, {n_samples} and {rank}")
        if n_burn_in < 0 or n_components < 0:
            raise ValueError(f"n_burn_in, n_components: expected at least 0, found {n_burn_in} and {n_components}")
        self.embedding_dim, self.n_samples, self.n_burn_in = embedding_dim, n_samples, n_burn_in
        self.n_components, self.rank, self.seed = n_components, rank, seed

    def factors(self, rated: Interactions, spec: DatasetSpec) -> tuple[Float[Tensor, "n_users rank"], Float[Tensor, "n_items rank"]]:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            return self._average(rated, spec)

    def _average(self, rated: Interactions, spec: DatasetSpec) -> tuple[Tensor, Tensor]:
        ratings, width = rated_values(rated).double(), self.embedding_dim + 1
        mean = ratings.mean()
        by_user = Cells.build(rated.user_idx, rated.item_idx, ratings - mean, (spec.n_users, spec.n_items))
        by_item = Cells.build(rated.item_idx, rated.user_idx, ratings - mean, (spec.n_items, spec.n_users))
        content = self._content(spec)
        slopes = torch.zeros(content.shape[1], width, dtype=torch.float64)
        users, items = (torch.randn(n, width, dtype=torch.float64) * 0.1 for n in (spec.n_users, spec.n_items))
        noise, kept = torch.tensor(_NOISE, dtype=torch.float64), list[tuple[Tensor, Tensor]]()
        for step in range(self.n_burn_in + self.n_samples):
            users = _sample_side(by_user, items, sample_prior(users, torch.zeros_like(users)), noise)
            prior = sample_prior(items, content @ slopes)
            items = _sample_side(by_item, users, prior, noise)
            if content.shape[1]:
                slopes = sample_slopes(content, items - (prior.mean - content @ slopes), prior.precision)
            noise = _sample_noise(by_user, users, items)
            if step >= self.n_burn_in:
                kept.append(product_with_biases(users, items, mean))
            if len(kept) > _KEPT:
                kept = [compress_products(kept, self.rank)]
        of_users, of_items = compress_products(kept, self.rank)
        return of_users, of_items / self.n_samples

    def _content(self, spec: DatasetSpec) -> Float[Tensor, "n_items n_components"]:
        none = torch.zeros(spec.n_items, 0, dtype=torch.float64)
        if not self.n_components:
            return none
        try:
            return principal_components(torch.from_numpy(read_content(spec).dense()).double(), self.n_components)
        except LackingData:
            return none


def _sample_side(
    cells: Cells, others: Float[Tensor, "n_columns dim"], prior: NormalPrior, noise: Float[Tensor, ""]
) -> Float[Tensor, "n_rows dim"]:
    """Sample the biases and vectors of all rows, given those of the columns; the first column of both is the bias."""
    features = F.pad(others[:, 1:], (1, 0), value=1.0)
    left = cells.values - others[cells.column, 0]
    precision = noise * cells.grams(features) + prior.precision
    target = noise * cells.sums(features[cells.column] * left[:, None]) + prior.mean @ prior.precision
    return sample_rows(precision, target)


def _sample_noise(cells: Cells, users: Float[Tensor, "n_users dim"], items: Float[Tensor, "n_items dim"]) -> Float[Tensor, ""]:
    """Sample the precision of the ratings."""
    of_users, of_items = users[cells.row], items[cells.column]
    error = cells.values - of_users[:, 0] - of_items[:, 0] - (of_users[:, 1:] * of_items[:, 1:]).sum(dim=1)
    shape, rate = 1 + len(error) / 2, 1 + error.square().sum() / 2
    return torch.distributions.Gamma(torch.tensor(shape, dtype=torch.float64), rate).sample()
