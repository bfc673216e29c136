"""iALS as a linear model: item vectors by alternating least squares, user vectors as a linear function of their items."""

import functools
from typing import Any, cast

import torch

from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.models.closed_form.ials import IALS
from mmrec.models.fold_in import sums_of_items
from mmrec.models.priors.grid import Choices
from mmrec.models.priors.linear import LinearFactors, ndcg
from mmrec.types import DatasetSpec

_MAX_RANK = 256
_N_ITERATIONS = 10
_QUICK, _FEW_ITERATIONS = 2**22, 4
"""The number of parameters at the smallest rank below which a full search is run at once; above, one setting is tried briefly first."""
_HOPEFUL = 0.8
"""The fraction of another model's ndcg that the trial must reach."""


class IALSFactors:
    """iALS (Hu et al. 2008) with a linear half-step of users: `p_u = M⁻¹ alpha Σ q_i` over their items.

    The exact half-step inverts `QᵀQ + (alpha - 1) Q_uᵀQ_u + λ I` for each user. Here `Q_uᵀQ_u` is replaced by its mean over all
    interactions times the mean number of a user's items, so that `M` is the same for all users, and a user given by a history has the
    vector of training. λ is `regularization · alpha`, because the two scale together.

    Validation chooses the best value of each list in turn, and extends lists with several values whose end is best; `chosen` has the
    result. Time is linear in interactions, and in users and items times the square of the rank.
    """

    def __init__(
        self,
        alpha: list[float] = [3.0, 10.0, 40.0],  # noqa: B006
        regularization: list[float] = [1.0, 3.0, 10.0],  # noqa: B006
        rank: list[int] = [64, 128],  # noqa: B006
        seed: int = 0,
    ) -> None:
        if not (alpha and regularization and rank) or min(*alpha, *regularization, *rank) <= 0:
            raise ValueError(f"alpha, regularization, rank: expected lists of numbers above 0, found {alpha}, {regularization}, {rank}")
        self.alpha, self.regularization, self.rank, self.seed = alpha, regularization, rank, seed
        self.chosen: dict[str, Any] = {}

    def fit(self, spec: DatasetSpec, valid: EvaluationSet, k: int) -> LinearFactors:
        """The factors with the best ndcg at `k` on the validation part."""
        best: tuple[float, LinearFactors | None] = (-1.0, None)  # of one setting only, to save memory

        @functools.cache
        def value(alpha: float, regularization: float, rank: int) -> float:
            nonlocal best
            factors = self._factors(spec, alpha, regularization * alpha, rank)
            found = ndcg(factors, valid, k)
            best = max(best, (found, factors), key=lambda one: one[0])
            return found

        choices, middle, smallest = Choices(), sorted(self.regularization)[len(self.regularization) // 2], min(self.rank)
        alpha = choices.take("alpha", self.alpha, lambda one: value(one, middle, smallest), 0.0)
        regularization = choices.take("regularization", self.regularization, lambda one: value(alpha, one, smallest), 0.0)
        rank = int(choices.take("rank", self.rank, lambda one: value(alpha, regularization, int(one)), 1, max(_MAX_RANK, *self.rank)))
        value(alpha, regularization, rank)
        self.chosen = choices.plain()
        return cast("LinearFactors", best[1])

    def rejection_reason(self, spec: DatasetSpec, valid: EvaluationSet, k: int, rival: LinearFactors) -> str | None:
        """Try the middle of each list at the smallest rank for a few iterations, if the data are large."""
        rank = min(self.rank)
        if (spec.n_users + spec.n_items) * rank <= _QUICK:
            return None
        alpha, regularization = (sorted(values)[len(values) // 2] for values in (self.alpha, self.regularization))
        ours = ndcg(self._factors(spec, alpha, regularization * alpha, rank, _FEW_ITERATIONS), valid, k)
        if ours >= _HOPEFUL * (theirs := ndcg(rival, valid, k)):
            return None
        return f"after {_FEW_ITERATIONS} iterations it reaches ndcg@{k} {ours:.4f}, a cheaper model {theirs:.4f}"

    def _factors(
        self, spec: DatasetSpec, alpha: float, regularization: float, rank: int, n_iterations: int = _N_ITERATIONS
    ) -> LinearFactors:
        model = IALS(rank, regularization, alpha, n_iterations=n_iterations, seed=self.seed).fit(spec)
        owned, items = model.interactions, model.items.double()
        of_items = torch.linalg.solve(_mean_system(owned, items, alpha, regularization), alpha * items.T).T.float()
        return LinearFactors(sums_of_items(owned, of_items), model.items, of_items)


def _mean_system(owned: InteractionMatrix, items: torch.Tensor, alpha: float, regularization: float) -> torch.Tensor:
    """`QᵀQ + (alpha - 1) n C + λ I`, with n the mean number of a user's items and C the mean of `q qᵀ` over interactions."""
    degree = owned.item_degree.double()
    n_users = max(1, int((owned.degree > 0).sum()))
    of_interactions = (items.T * degree) @ items / n_users  # n C, the sum divided by the number of users with interactions
    return items.T @ items + (alpha - 1) * of_interactions + regularization * torch.eye(items.shape[1], dtype=items.dtype)
