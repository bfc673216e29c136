"""Self-training for clicks: a model also learns from its own predictions of pairs that were never shown."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmrec.models.click.bayesian_logistic_mf import BayesianLogisticMF
from mmrec.models.click.predictor import ClickFactors, clicked_of, positions_of
from mmrec.models.unlabelled_pairs import draw_unlabelled
from mmrec.types import DatasetSpec, Interactions, joined


class SelfTrainedClicks(ClickFactors):
    """Refits `bayesian_logistic_mf` with its own most certain predictions as labels of pairs without an impression (Lee 2013).

    In each round, pairs are drawn at random. Those with the highest log odds become clicks and those with the lowest become impressions
    without a click, `share` of the pairs in total and in the proportion of the true labels, so that pseudo-labels do not shift the rate of
    clicks. They are at the first position. A model is fitted to all true and pseudo-labels. With 0 rounds it is the model itself, so that
    the validation part, which chooses the settings, can decide against it.

    Args:
        rounds: the number of rounds.
        share: the fraction of the drawn pairs that get a label: the threshold of certainty as a quantile.
        n_unlabelled: the number of pairs that are drawn in a round, relative to that of the labels.
        embedding_dim: the size of vectors.
        n_samples, n_burn_in: see `BayesianLogisticMF`.
        seed: of the pairs and the models.

    Raises:
        ValueError: a number is invalid.
    """

    n_pseudo_labels: Tensor

    def __init__(
        self,
        rounds: int = 1,
        share: float = 0.3,
        n_unlabelled: float = 1.0,
        embedding_dim: int = 20,
        n_samples: int = 30,
        n_burn_in: int = 25,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if rounds < 0 or n_unlabelled < 0 or not 0 <= share <= 1:
            raise ValueError(
                f"rounds, n_unlabelled, share: expected at least 0, and a share from 0 to 1, found {rounds}, {n_unlabelled} and {share}"
            )
        self.rounds, self.share, self.n_unlabelled, self.seed = rounds, share, n_unlabelled, seed
        self.embedding_dim, self.n_samples, self.n_burn_in = embedding_dim, n_samples, n_burn_in

    def factors(
        self, rows: Interactions, place: Int64[Tensor, " n"], spec: DatasetSpec
    ) -> tuple[Float[Tensor, "n_users dim"], Float[Tensor, "n_items dim"], Float[Tensor, " n_effects"]]:
        model = BayesianLogisticMF(self.embedding_dim, self.n_samples, self.n_burn_in, seed=self.seed)
        users, items, effects = model.factors(rows, place, spec)
        generator, rate, n = torch.Generator().manual_seed(self.seed), float(clicked_of(rows).float().mean()), 0
        for _ in range(self.rounds):
            user_idx, item_idx = draw_unlabelled(round(self.n_unlabelled * len(rows)), rows, spec.n_items, generator)
            order = (users[user_idx] * items[item_idx]).sum(dim=1).argsort(descending=True, stable=True)
            n_clicked, n_not = (round(self.share * len(order) * part) for part in (rate, 1 - rate))
            chosen = torch.cat([order[:n_clicked], order[len(order) - n_not :]])
            label = torch.cat([torch.ones(n_clicked), torch.zeros(n_not)])
            told, first = Interactions(user_idx[chosen], item_idx[chosen], label=label), min(1, len(positions_of(rows)))
            if rows.position is not None:
                at = int(positions_of(rows)[0]) if first else -1
                told = Interactions(told.user_idx, told.item_idx, label=label, position=torch.full_like(chosen, at))
            users, items, effects = model.factors(joined([rows, told]), torch.cat([place, torch.full_like(chosen, first)]), spec)
            n = len(chosen)
        self.remember(n_pseudo_labels=torch.tensor(n))
        return users, items, effects
