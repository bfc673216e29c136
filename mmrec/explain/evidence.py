"""Which evidence a score rests on: exact Shapley values over the modalities of a trained model."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmrec.errors import ConfigError
from mmrec.explain.shapley import Coalition, coalitions, shapley_values
from mmrec.models.recommender import Recommender, TrainedScorer

MAX_MODALITIES = 8
"""The largest number of modalities of which all subsets are evaluated: 256 evaluations."""


def lead_of(scores: Float[Tensor, "n_users n_items"], row: Int64[Tensor, " n"], item_idx: Int64[Tensor, " n"]) -> Float[Tensor, " n"]:
    """Return the lead of items, the unit of all effects in explanations.

    It is the score minus the mean score of all items for the user, divided by the standard deviation of these scores, since the scale of
    scores has no meaning of its own, differs between users and changes with what is hidden. 0 if all scores are equal.

    Args:
        scores: the scores of all items for some users.
        row: the user of each pair, as a row of `scores`.
        item_idx: the item of each pair.

    >>> lead_of(torch.tensor([[1.0, 2.0, 6.0]]), torch.tensor([0]), torch.tensor([2]))
    tensor([1.3887])
    """
    lead = scores[row, item_idx] - scores.mean(dim=1)[row]
    return lead / scores.std(dim=1, correction=0).clamp(min=1e-12)[row]


@dataclass(frozen=True)
class EvidenceShares:
    """What each kind of evidence contributes to the scores of some user-item pairs."""

    modalities: tuple[str, ...]
    values: Float[Tensor, "n modalities"]
    """Shapley values; those of a pair add up to `total`."""
    total: Float[Tensor, " n"]
    """The lead of the item, see `lead_of`."""
    attention: Float[Tensor, "n modalities"]
    """The mass of attention of each modality in the item, which is not an effect on the score; zero for evidence of users."""


class EvidenceExplainer:
    """Computes Shapley values of the modalities of a model, whose scores without each subset are kept.

    The value of a set of modalities is the lead of the item (`lead_of`) if the model ignores all others. That of no modality is 0. A model
    that hides interactions hides all that it learned from them with each item.

    Args:
        model: a trained model with modalities.

    Raises:
        ConfigError: the model has fewer than two modalities, or too many.
    """

    def __init__(self, model: Recommender) -> None:
        self.modalities = (*model.modalities, *model.user_modalities)
        if len(self.modalities) < 2:
            raise ConfigError(f"explain: {type(model).__name__} uses one kind of evidence only, of which there is nothing to compare")
        if len(self.modalities) > MAX_MODALITIES:
            raise ConfigError(f"explain: expected at most {MAX_MODALITIES} kinds of evidence, found {len(self.modalities)}")
        self.model = model
        self._scorers: dict[Coalition, TrainedScorer] = {}

    def shares(self, user_idx: Int64[Tensor, " n"], item_idx: Int64[Tensor, " n"]) -> EvidenceShares:
        """Return the contributions for pairs of users and items."""
        values = {one: self.value(one, user_idx, item_idx) for one in coalitions(self.modalities)}
        attention = torch.zeros(len(item_idx), len(self.modalities))
        if (full := self._scorer(frozenset(self.modalities)).vectors()) is not None:
            attention[:, : full.attention.shape[1]] = full.attention[item_idx]
        total = values[frozenset(self.modalities)]
        return EvidenceShares(self.modalities, shapley_values(values, self.modalities), total, attention)

    def value(self, kept: Coalition, user_idx: Int64[Tensor, " n"], item_idx: Int64[Tensor, " n"]) -> Float[Tensor, " n"]:
        """Return the value of a set of modalities for pairs of users and items."""
        if not kept:
            return torch.zeros(len(user_idx))
        users, place = user_idx.unique(return_inverse=True)
        return lead_of(self._scorer(kept).score_users(users), place, item_idx)

    def _scorer(self, kept: Coalition) -> TrainedScorer:
        if kept not in self._scorers:
            self._scorers[kept] = self.model.freeze(hidden=[one for one in self.modalities if one not in kept])
        return self._scorers[kept]
