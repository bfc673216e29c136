"""Self-training for ratings: a model also learns from its own predictions of pairs that have no rating."""

from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from mmrec.errors import nearest
from mmrec.models.rating.bayesian_mf import BayesianMF
from mmrec.models.rating.biased_mf import BiasedMF
from mmrec.models.rating.predictor import RatingFactors, rated_values
from mmrec.models.unlabelled_pairs import draw_unlabelled
from mmrec.types import DatasetSpec, Interactions, joined

_MODELS: Mapping[str, Callable[..., RatingFactors]] = {"bayesian_mf": BayesianMF, "biased_mf": BiasedMF}


class SelfTrainedRatings(RatingFactors):
    """Refits a model with its own predictions as ratings of pairs on which two halves of the ratings agree.

    In each round, two models are fitted to random halves of the ratings. Pairs without a rating for which their predictions differ by at
    most `threshold` get the prediction of the model of the round before (pseudo-labels), and a model is fitted to all ratings and these.
    Choosing pairs by agreement follows the co-training of regressions (Zhou & Li 2005). With 0 rounds it is the model itself, so that the
    validation part, which chooses the settings, can decide against it.

    Args:
        of: the model, `bayesian_mf` or `biased_mf`, with its default settings.
        rounds: the number of rounds.
        threshold: the largest difference of the two predictions, in units of the ratings.
        n_unlabelled: the number of pairs that are drawn in a round, relative to that of the ratings.
        seed: of the halves, the pairs and the models.

    Raises:
        ValueError: a name or number is invalid.
    """

    n_pseudo_labels: Tensor

    def __init__(self, of: str = "bayesian_mf", rounds: int = 1, threshold: float = 0.2, n_unlabelled: float = 1.0, seed: int = 0) -> None:
        super().__init__()
        if of not in _MODELS:
            raise ValueError(f"of: there is no `{of}`; {nearest(of, _MODELS)}")
        if rounds < 0 or threshold < 0 or n_unlabelled < 0:
            raise ValueError(f"rounds, threshold, n_unlabelled: expected at least 0, found {rounds}, {threshold} and {n_unlabelled}")
        self.of, self.rounds, self.threshold, self.n_unlabelled, self.seed = of, rounds, threshold, n_unlabelled, seed

    def factors(self, rated: Interactions, spec: DatasetSpec) -> tuple[Float[Tensor, "n_users dim"], Float[Tensor, "n_items dim"]]:
        users, items = self._fit(rated, spec, self.seed)
        generator, values = torch.Generator().manual_seed(self.seed), rated_values(rated)
        lowest, highest, n = float(values.min()), float(values.max()), 0
        for _ in range(self.rounds if len(rated) > 1 else 0):
            user_idx, item_idx = draw_unlabelled(round(self.n_unlabelled * len(rated)), rated, spec.n_items, generator)
            order = torch.randperm(len(rated), generator=generator)
            halves = enumerate(order.tensor_split(2), start=1)
            one, other = (_predict(self._fit(rated.take(half), spec, self.seed + n), user_idx, item_idx) for n, half in halves)
            agreed = (one.clamp(lowest, highest) - other.clamp(lowest, highest)).abs() <= self.threshold
            user_idx, item_idx = user_idx[agreed], item_idx[agreed]
            labels = _predict((users, items), user_idx, item_idx).clamp(lowest, highest)
            users, items = self._fit(joined([rated, Interactions(user_idx, item_idx, rating=labels.float())]), spec, self.seed)
            n = len(labels)
        self.remember(n_pseudo_labels=torch.tensor(n))
        return users, items

    def _fit(self, rated: Interactions, spec: DatasetSpec, seed: int) -> tuple[Tensor, Tensor]:
        return _MODELS[self.of](seed=seed).factors(rated, spec)


def _predict(factors: tuple[Tensor, Tensor], user_idx: Tensor, item_idx: Tensor) -> Float[Tensor, " n"]:
    users, items = factors
    return (users[user_idx] * items[item_idx]).sum(dim=1)
