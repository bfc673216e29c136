"""Impressions of the synthetic shop: lists that users saw in the last period, what they clicked, and the true probabilities of both."""

from dataclasses import dataclass
from typing import cast

import numpy as np
from jaxtyping import Bool, Float, Int64

from mmrec.data.sources.demo_shop.world import N_PERIODS, PERIOD_SECONDS, SHARES, START, Log, World

LIST_SIZE = 10
"""Items per list."""
CLICK_SHARPNESS = 2.5
CLICK_BIAS = -2.0
"""The log odds of a click on an item of average utility in the first position."""
SORTING_NOISE = 1.0
"""The standard deviation of the noise by which the lists are sorted, relative to that of the logarithm of the policy."""
_ACTIVITY_SIGMA = 0.6


@dataclass(frozen=True)
class Impressions:
    """The impressions, sorted by time, then user, then position. No user saw an item twice, or one chosen before."""

    user_idx: Int64[np.ndarray, " n"]
    item_idx: Int64[np.ndarray, " n"]
    timestamp: Int64[np.ndarray, " n"]
    """Equal within a list."""
    position: Int64[np.ndarray, " n"]
    """From 1."""
    clicked: Bool[np.ndarray, " n"]
    propensity: Float[np.ndarray, " n"]
    """Probability that the policy drew the item next for the user, given all that it had drawn before."""
    probability: Float[np.ndarray, " n"]
    """True probability of the click."""


def position_effect() -> Float[np.ndarray, " list_size"]:
    """Return what each position adds to the log odds of a click: the logarithm of the discount of DCG."""
    effect: np.ndarray = -np.log(np.log2(1 + np.arange(1, LIST_SIZE + 1)))
    return effect


def show(world: World, log: Log, impressions_per_user: int, rng: np.random.Generator) -> Impressions:
    """Simulate the lists of the last period, in which tastes are constant.

    Policy: the items of all of a user's lists are drawn one after another, without replacement, from those that the user has not chosen in
    the log, with the probabilities of the log's last period. The items of a list are sorted by the logarithm of their policy plus noise, so
    that promoted and popular items stand higher. Clicks: independent, with log odds of `CLICK_SHARPNESS` * utility + `CLICK_BIAS` +
    `position_effect()`.

    Args:
        world: the items and users.
        log: the interactions before, and the policy.
        impressions_per_user: the mean number of impressions of a user, which is lognormal and rounded to lists: at least one, and at most a
            third of the catalogue.
        rng: the source of randomness.
    """
    n_users, n_items = world.tastes["collaborative"].shape[1], len(world.launch_period)
    drawn, place, propensity = _draw_items(log, _list_counts(n_users, n_items, impressions_per_user, rng), rng)
    user_idx, item_idx = drawn
    with np.errstate(divide="ignore"):
        attraction = np.log(log.policy[-1])
    spread = attraction[np.isfinite(attraction)].std()
    key = attraction[item_idx] + SORTING_NOISE * spread * rng.standard_normal(len(item_idx))
    list_idx = place // LIST_SIZE
    order = np.lexsort((-key, list_idx, user_idx))
    user_idx, item_idx, propensity, list_idx = user_idx[order], item_idx[order], propensity[order], list_idx[order]
    position = np.arange(len(order)) % LIST_SIZE  # every list is full, so that lists begin at multiples of their size
    utility = cast("np.ndarray", sum(world.utility(part, N_PERIODS - 1) for part in SHARES))[user_idx, item_idx]
    probability = 1 / (1 + np.exp(-(CLICK_SHARPNESS * utility.astype(float) + CLICK_BIAS + position_effect()[position])))
    clicked = rng.random(len(order)) < probability
    timestamp = _times(user_idx, rng)
    by_time = np.argsort(timestamp, kind="stable")  # keeps lists together
    columns = (user_idx, item_idx, timestamp, position + 1, clicked, propensity, probability)
    return Impressions(*(column[by_time] for column in columns))


def _list_counts(n_users: int, n_items: int, impressions_per_user: int, rng: np.random.Generator) -> Int64[np.ndarray, " n_users"]:
    """Draw the number of lists of each user."""
    activity = rng.lognormal(sigma=_ACTIVITY_SIGMA, size=n_users)
    wanted = np.rint(activity / activity.mean() * impressions_per_user / LIST_SIZE).astype(np.int64)
    counts: np.ndarray = wanted.clip(1, max(1, n_items // 3 // LIST_SIZE))
    return counts


def _draw_items(
    log: Log, list_counts: Int64[np.ndarray, " n_users"], rng: np.random.Generator
) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray, np.ndarray]:
    """Draw the items of each user in order, by the largest of log policy plus Gumbel noise (Plackett-Luce).

    Returns:
        User and item of every impression, its place in the user's order, and its propensity.
    """
    policy, n_items = log.policy[-1], log.policy.shape[1]
    owned = np.zeros((len(list_counts), n_items), dtype=bool)
    owned[log.user_idx, log.item_idx] = True
    users, items, places, propensities = [], [], [], []
    for user, n_lists in enumerate(list_counts):
        weight = policy * ~owned[user]
        open_items = np.flatnonzero(weight)
        n = min(n_lists, len(open_items) // LIST_SIZE) * LIST_SIZE
        key = np.log(weight[open_items]) + rng.gumbel(size=len(open_items))
        chosen = open_items[np.argsort(-key)[:n]]
        remaining = weight.sum() - np.concatenate([[0.0], np.cumsum(weight[chosen])[:-1]]) if n else np.zeros(0)
        users.append(np.full(n, user))
        items.append(chosen)
        places.append(np.arange(n))
        propensities.append(weight[chosen] / remaining)
    return (np.concatenate(users), np.concatenate(items)), np.concatenate(places), np.concatenate(propensities)


def _times(user_idx: Int64[np.ndarray, " n"], rng: np.random.Generator) -> Int64[np.ndarray, " n"]:
    """Draw a time in the last period for every list; a user's lists are in the order of time."""
    user = user_idx[::LIST_SIZE]
    begin = START + (N_PERIODS - 1) * PERIOD_SECONDS
    drawn = begin + rng.integers(PERIOD_SECONDS, size=len(user))
    return np.repeat(drawn[np.lexsort((drawn, user))], LIST_SIZE)
