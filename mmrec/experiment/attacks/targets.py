"""What an attack on the inputs of items aims at: the attacked items, and the value of a change for the attacker."""

from dataclasses import dataclass
from typing import final

import polars as pl
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.errors import ConfigError, nearest
from mmrec.models.multimodal.changed_features import ChangedFeatures
from mmrec.nn.attacks.goal import ACCURACY, attack_goal, least_popular, list_thresholds
from mmrec.nn.attacks.misspelling import WordAttack
from mmrec.nn.attacks.projected_gradient import PictureAttack
from mmrec.types import ITEM_ID

_USERS = 2000
"""The most users whose scores an attack is computed from."""


@final
@dataclass(frozen=True)
class Target:
    """A goal, with the scores of the model before the attack.

    The attacker knows the model, its encoder and the training part (a white box), and neither the validation nor the test part.
    """

    changed: ChangedFeatures
    goal: str
    users: Float[Tensor, "n_users dim"]
    threshold: Float[Tensor, " n_users"]
    interacted: Bool[Tensor, "n_users n_items"]

    @classmethod
    def of(cls, changed: ChangedFeatures, goal: str, train: InteractionMatrix, k: int, seed: int) -> "Target":
        """The goal for users with training interactions: all of them, or a random sample of 2,000.

        Args:
            changed: the model under attack.
            goal: see `attack_goal`.
            train: the training part.
            k: the length of lists.
            seed: of the sample.
        """
        known = (train.degree > 0).nonzero().squeeze(1)
        chosen = known[torch.randperm(len(known), generator=torch.Generator().manual_seed(seed))[:_USERS]].sort().values
        users = changed.users[chosen]
        interacted = torch.zeros(len(chosen), train.n_items, dtype=torch.bool)
        interacted[train.rows(chosen)] = True
        scores = users @ changed.before.T
        deviation = scores.std(dim=1, correction=0, keepdim=True).clamp(min=1e-12)
        return cls(changed, goal, users / deviation, list_thresholds(scores / deviation, interacted, k), interacted)

    def value(self, features: Float[Tensor, "batch dim"], item_idx: Int64[Tensor, " batch"]) -> Float[Tensor, " batch"]:
        """What the attacker raises for each item, given its features."""
        scores = self.users @ self.changed.items(features, item_idx).T
        return attack_goal(self.goal, scores, self.threshold, self.interacted[:, item_idx])


def attacked_items(
    attack: PictureAttack | WordAttack,
    items: pl.DataFrame,
    present: Bool[Tensor, " n_items"],
    degree: Int64[Tensor, " n_items"],
) -> Int64[Tensor, " n"]:
    """The items whose inputs are changed: all that have one, or for `promote` those with a value in a column, or the least popular ones.

    Raises:
        ConfigError: there is no such column, or no item with the value and an input.
    """
    column, value = attack.column, attack.value
    if attack.goal == ACCURACY:
        return present.nonzero().squeeze(1)
    if column is None:
        return least_popular(degree, present, attack.share)
    if column not in items.columns:
        known = [name for name in items.columns if name != ITEM_ID]
        raise ConfigError(f"attack.column: the items have no column `{column}`; {nearest(column, known)}")
    found = torch.from_numpy((items[column].cast(pl.String) == value).fill_null(False).to_numpy(writable=True)) & present
    if not found.any():
        known = items[column].cast(pl.String).drop_nulls().unique().sort().to_list()
        raise ConfigError(f"attack.value: no item with such an input has `{value}` in its column {column}; {nearest(str(value), known)}")
    return found.nonzero().squeeze(1)
