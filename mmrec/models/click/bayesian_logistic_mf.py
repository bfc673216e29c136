"""Bayesian logistic matrix factorisation of clicks: log odds averaged over samples of the posterior."""

from contextlib import suppress
from typing import NamedTuple, Self

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from mmrec.models.click.predictor import ClickFactors, clicked_of
from mmrec.models.content.content_matrix import reached_entities, read_content
from mmrec.models.rating.biased_mf import product_with_biases
from mmrec.models.rating.low_rank import compress_products, principal_components
from mmrec.models.rating.normal_prior import NormalPrior, sample_prior, sample_rows, sample_slopes
from mmrec.models.recommender import LackingData
from mmrec.nn.propagation import assemble_csr
from mmrec.types import DatasetSpec, Interactions

_KEPT = 20
"""The number of products that are kept before they are compressed to one."""
_POSITION_PENALTY = 0.1
_N_WARM, _START_NOISE = 10, 0.3
"""The number of first steps with standard normal priors, since the sampled ones of vectors that know nothing yet would shrink them to
zero; and the deviation of the items' first vectors from a random function of their content."""


class BayesianLogisticMF(ClickFactors):
    """Predicts the posterior mean of the log odds `b_u + b_i + p_u·q_i + e(position)` by Gibbs sampling.

    With Pólya-Gamma variables (Polson et al. 2013), the posterior of the vectors of a side is normal given those of the other. Here the
    variables are replaced by their means, `tanh(x / 2) / 2x`, as in the bound of Jaakkola & Jordan (2000). As in
    `mmrec.models.rating.bayesian_mf`, biases and vectors of a side have a common normal prior that is sampled as well; the mean of an
    item's prior is a linear function of its content (Simm et al. 2017), so that new items are predicted from content. Nothing is tuned but
    sizes.

    Args:
        embedding_dim: the size of p and q.
        n_samples: the number of samples that are averaged.
        n_burn_in: the number of samples before.
        n_components: the principal components of content; 0: none is used.
        rank: the columns of the compressed matrices.
        seed: of the sampler.
    """

    def __init__(
        self, embedding_dim: int = 20, n_samples: int = 30, n_burn_in: int = 25, n_components: int = 128, rank: int = 64, seed: int = 0
    ) -> None:
        super().__init__()
        if embedding_dim < 1 or n_samples < 1 or rank < 1:
            raise ValueError(f"embedding_dim, n_samples, rank: expected at least 1, found {embedding_dim}, {n_samples} and {rank}")
        if n_burn_in < 0 or n_components < 0:
            raise ValueError(f"n_burn_in, n_components: expected at least 0, found {n_burn_in} and {n_components}")
        self.embedding_dim, self.n_samples, self.n_burn_in = embedding_dim, n_samples, n_burn_in
        self.n_components, self.rank, self.seed = n_components, rank, seed

    def factors(
        self, rows: Interactions, place: Int64[Tensor, " n"], spec: DatasetSpec
    ) -> tuple[Float[Tensor, "n_users rank"], Float[Tensor, "n_items rank"], Float[Tensor, " n_effects"]]:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            sampler = _Sampler(rows, spec, self._content(spec), place, self.embedding_dim)
            return sampler.average(self.n_samples, self.n_burn_in, self.rank)

    def _content(self, spec: DatasetSpec) -> Float[Tensor, "n_items n_components"]:
        """The components of texts, pictures and graph; of the graph, everything within two hops."""
        blocks = []
        for read in (lambda: read_content(spec).dense(), lambda: reached_entities(spec).toarray()):
            with suppress(LackingData):
                blocks.append(torch.from_numpy(read()).double())
        if not self.n_components or not blocks:
            return torch.zeros(spec.n_items, 0, dtype=torch.float64)
        return principal_components(torch.cat(blocks, dim=1), self.n_components)


class _Side(NamedTuple):
    """The impressions in the order of one side's rows."""

    order: Int64[Tensor, " n"]
    starts: Int64[Tensor, " n_rows_plus_1"]
    column: Int64[Tensor, " n"]
    """The row of the other side, in this order."""

    @classmethod
    def build(cls, row: Int64[Tensor, " n"], column: Int64[Tensor, " n"], n_rows: int) -> Self:
        order = row.argsort(stable=True)
        starts = torch.cat([row.new_zeros(1), torch.bincount(row, minlength=n_rows).cumsum(0)])
        return cls(order, starts, column[order])

    def sums(self, weights: Float[Tensor, " n"], features: Float[Tensor, "n_columns dim"]) -> Float[Tensor, "n_rows dim"]:
        """Return, for each row, the weighted sum of the features of its columns."""
        shape = (len(self.starts) - 1, len(features))
        sums: Tensor = assemble_csr(self.starts, self.column, weights[self.order], shape) @ features
        return sums

    def grams(self, weights: Float[Tensor, " n"], features: Float[Tensor, "n_columns dim"]) -> Float[Tensor, "n_rows dim dim"]:
        """Return, for each row, the weighted sum of `f fᵀ` over the features f of its columns."""
        dim = features.shape[1]
        one, other = torch.triu_indices(dim, dim)
        upper = self.sums(weights, features[:, one] * features[:, other])
        grams = upper.new_zeros(len(upper), dim, dim)
        grams[:, one, other] = upper
        grams[:, other, one] = upper
        return grams


class _Sampler:
    """Samples biases, vectors and effects of positions in turn; the first column of users and items is the bias."""

    def __init__(
        self,
        rows: Interactions,
        spec: DatasetSpec,
        content: Float[Tensor, "n_items n_components"],
        place: Int64[Tensor, " n"],
        embedding_dim: int,
    ) -> None:
        self.user_idx, self.item_idx, self.place, self.content = rows.user_idx, rows.item_idx, place, content
        self.half = clicked_of(rows).double() - 0.5
        self.by_user = _Side.build(rows.user_idx, rows.item_idx, spec.n_users)
        self.by_item = _Side.build(rows.item_idx, rows.user_idx, spec.n_items)
        self.slopes = torch.zeros(content.shape[1], embedding_dim + 1, dtype=torch.float64)
        self.users, self.items = (torch.randn(n, embedding_dim + 1, dtype=torch.float64) for n in (spec.n_users, spec.n_items))
        if n_components := content.shape[1]:
            directions = torch.randn(n_components, embedding_dim, dtype=torch.float64) * n_components**-0.5
            self.items[:, 1:] = content @ directions + _START_NOISE * self.items[:, 1:]
        self.items[:, 0] = 0
        self.n_steps = 0
        self.effects = torch.full((int(place.max()) + 1,), float(torch.logit(clicked_of(rows).double().mean())), dtype=torch.float64)

    def average(self, n_samples: int, n_burn_in: int, rank: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return two matrices whose product is the mean of the samples without positions, and the mean effects of positions."""
        kept, effects = list[tuple[Tensor, Tensor]](), torch.zeros_like(self.effects)
        for step in range(n_burn_in + n_samples):
            self._step()
            if step >= n_burn_in:
                kept.append(product_with_biases(self.users, self.items, torch.zeros(())))
                effects += self.effects / n_samples
            if len(kept) > _KEPT:
                kept = [compress_products(kept, rank)]
        of_users, of_items = compress_products(kept, rank)
        return of_users, of_items / n_samples, effects

    def _step(self) -> None:
        self.users = self._sample_side(self.by_user, self.items, self.item_idx, self._prior(self.users, torch.zeros_like(self.users)))
        prior = self._prior(self.items, self.content @ self.slopes)
        self.items = self._sample_side(self.by_item, self.users, self.user_idx, prior)
        if self.content.shape[1]:
            self.slopes = sample_slopes(self.content, self.items - (prior.mean - self.content @ self.slopes), prior.precision)
        self._update_effects()
        self.n_steps += 1

    def _prior(self, rows: Float[Tensor, "n dim"], given: Float[Tensor, "n dim"]) -> NormalPrior:
        if self.n_steps < _N_WARM:
            return NormalPrior(given, torch.eye(rows.shape[1], dtype=torch.float64))
        return sample_prior(rows, given)

    def _log_odds(self) -> Float[Tensor, " n"]:
        users, items = self.users.float(), self.items.float()
        users, items = users.index_select(0, self.user_idx), items.index_select(0, self.item_idx)
        product = (users[:, 1:] * items[:, 1:]).sum(dim=1) + users[:, 0] + items[:, 0]
        return product.double() + self.effects[self.place]

    def _sample_side(
        self, side: _Side, others: Float[Tensor, "n_columns dim"], other_idx: Int64[Tensor, " n"], prior: NormalPrior
    ) -> Float[Tensor, "n_rows dim"]:
        weights = _weights(self._log_odds())
        features = F.pad(others[:, 1:], (1, 0), value=1.0)
        rest = others[:, 0][other_idx] + self.effects[self.place]
        precision = side.grams(weights, features) + prior.precision
        target = side.sums(self.half - weights * rest, features) + prior.mean @ prior.precision
        return sample_rows(precision, target)

    def _update_effects(self) -> None:
        """Set the effects of positions to their posterior means."""
        log_odds = self._log_odds()
        weights = _weights(log_odds)
        left = self.half - weights * (log_odds - self.effects[self.place])
        total, weight = (torch.zeros_like(self.effects).index_add(0, self.place, part) for part in (left, weights))
        self.effects = total / (weight + _POSITION_PENALTY)


def _weights(log_odds: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """The means of the Pólya-Gamma variables."""
    size = log_odds.abs().clamp(min=1e-4)
    return torch.tanh(size / 2) / (2 * size)
