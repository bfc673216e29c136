"""What an attacker of items wants: scores that lower the accuracy of lists, or that bring items into them."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor

ACCURACY, PROMOTE = GOALS = ("accuracy", "promote")


def check_goal(goal: str, column: str | None, value: str | None) -> None:
    """Raise ValueError for an unknown goal, or for a column without a value."""
    if goal not in GOALS:
        raise ValueError(f"goal: expected {' or '.join(GOALS)}, found {goal}")
    if (column is None) != (value is None):
        raise ValueError(f"column and value: expected both or neither, found {column} and {value}")


def attack_goal(
    goal: str,
    scores: Float[Tensor, "n_users batch"],
    threshold: Float[Tensor, " n_users"],
    interacted: Bool[Tensor, "n_users batch"],
) -> Float[Tensor, " batch"]:
    """What is to be maximised for each item; scores have unit deviation for each user.

    `promote`: `-mean_u softplus(t_u - s_ui)` over the users who have not interacted with the item, where `t_u` is the lowest score in the
    user's list: the item is to enter as many lists as possible (Liu & Larson 2021, "Adversarial Item Promotion", WWW).

    `accuracy`: the same, plus `-mean_u softplus(s_ui - t_u)` over the users who have interacted with it: the item is to leave the lists of
    those whom it suits, and to enter those of all others (the reversal of BPR's preferences, as in Tang et al. 2019, eq. 9).

    Args:
        goal: `accuracy` or `promote`.
        scores: of the attacked items.
        threshold: the lowest score in each user's list without the attack.
        interacted: whether the user has training interactions with the item.
    """
    margin = scores - threshold[:, None]
    promoted = -_mean(F.softplus(-margin), ~interacted)
    return promoted - _mean(F.softplus(margin), interacted) if goal == ACCURACY else promoted


def list_thresholds(scores: Float[Tensor, "n_users n_items"], seen: Bool[Tensor, "n_users n_items"], k: int) -> Float[Tensor, " n_users"]:
    """The lowest score in each user's list of `k` unseen items."""
    unseen = scores.masked_fill(seen, -torch.inf)
    return unseen.topk(min(k, unseen.shape[1]), dim=1).values.min(dim=1).values.clamp(min=float(scores.min()))


def least_popular(degree: Int64[Tensor, " n_items"], among: Bool[Tensor, " n_items"], share: float) -> Int64[Tensor, " n"]:
    """The share of all items that has the fewest interactions, among some of them; ties in the order of the items. At least one."""
    items = among.nonzero().squeeze(1)
    order = degree[items].argsort(stable=True)
    return items[order[: max(1, round(share * len(degree)))]].sort().values


def _mean(values: Float[Tensor, "n_users batch"], counted: Bool[Tensor, "n_users batch"]) -> Float[Tensor, " batch"]:
    return (values * counted).sum(dim=0) / counted.sum(dim=0).clamp(min=1)
