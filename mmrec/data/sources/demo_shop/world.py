"""The latent world of the synthetic shop: attributes of the items, tastes of the users, their drift, and the simulated log of choices.

The utility of item i for user u in period p is a weighted sum of four parts, one for each kind of evidence:

    utility[p, u, i] = sum over parts of sqrt(share[part]) * <taste[part][p, u], factor[part][i]>

Item factors are centred and whitened over the catalogue, and taste vectors have length 1. Every part therefore has mean 0 and variance
`share[part]` over the items of each user, and the shares add up to 1. The factors of `text`, `image` and `kg` are linear in the item's
attributes of that part; those of `collaborative` (a quality on which all users agree, and hidden tastes) do not appear in any content.
"""

from dataclasses import dataclass
from typing import cast

import numpy as np
from jaxtyping import Bool, Float, Int64

from mmrec.data.sources.demo_shop.interests import TASTE_SHARE, Interests
from mmrec.types import COLLABORATIVE, IMAGE, KG, TEXT

SHARES = {COLLABORATIVE: 0.34, TEXT: 0.28, IMAGE: 0.22, KG: 0.16}
GROUPS = {TEXT: ("style", "use", "occasion"), IMAGE: ("colour", "pattern", "shape"), KG: ("designer", "parent", "property")}
VALUES = {
    "style": ("minimal", "rustic", "playful", "luxurious", "technical", "nostalgic"),
    "use": ("hiking", "cooking", "office", "music", "gardening", "fitness", "reading", "gaming"),
    "occasion": ("wedding", "birthday", "holiday", "graduation", "everyday", "newborn"),
    "colour": ("red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink"),
    "pattern": ("plain", "stripes", "dots", "checks", "rings"),
    "shape": ("disc", "square", "triangle", "flower", "cross", "ring"),
    "designer": ("Aldena", "Borrin", "Castel", "Dunmore", "Eskild", "Farrow", "Grenn", "Hartvig"),
    "parent": ("atrium", "bastion", "cellar", "dormer", "eaves", "foyer"),
    "property": ("annealed", "braided", "cured", "drawn", "etched", "felted"),
}
"""Values of each attribute group. Those of `kg` are two hops from an item, and are arbitrary words that no text uses."""

N_COMPONENTS = 4
"""Number of taste components of each part. All users share the components; a user is a mixture of them."""
QUALITY_SHARE = 0.3
"""Share of the collaborative part that is due to the quality on which all users agree."""
N_PERIODS = 12
PERIOD_SECONDS = 365 * 86400 // N_PERIODS
START = 1_672_531_200
"""2023-01-01T00:00:00Z in Unix seconds: the beginning of the log, which lasts 365 days."""
TASTE_MEMORY = 0.985
"""Autocorrelation of taste between consecutive periods; between the first and the last it is 0.85."""
SLATE_SIZE = 100
CHOICE_SHARPNESS = 5.0
POPULARITY_EXPONENT = 0.4
PRIOR_SIGMA = 0.4
LATE_SHARE, NEVER_SHARE = 0.10, 0.01


@dataclass(frozen=True)
class World:
    """The ground truth of items and users, before the simulation."""

    attributes: dict[str, Int64[np.ndarray, " n_items"]]
    """Index of each item's value in `VALUES`, by attribute group."""
    links: dict[str, Int64[np.ndarray, " n_items"]]
    """Each item's `brand`, `category` and `material`: the entity between the item and its designer, parent and property."""
    owners: dict[str, Int64[np.ndarray, " n_links"]]
    """The designer, parent or property of each `brand`, `category` or `material`."""
    factors: dict[str, Float[np.ndarray, "n_items dim"]]
    tastes: dict[str, Float[np.ndarray, "n_periods n_users dim"]]
    launch_period: Int64[np.ndarray, " n_items"]
    """Period in which the item becomes available: 0 from the start; `N_PERIODS` after the end of the log, so without interactions."""

    def utility(self, part: str, period: int) -> Float[np.ndarray, "n_users n_items"]:
        """Return the weighted part of the utility of every item for every user in one period."""
        utility: np.ndarray = np.sqrt(SHARES[part]) * self.tastes[part][period] @ self.factors[part].T
        return utility.astype(np.float32)


@dataclass(frozen=True)
class Log:
    """The simulated interactions, in order of time."""

    user_idx: Int64[np.ndarray, " n"]
    item_idx: Int64[np.ndarray, " n"]
    timestamp: Int64[np.ndarray, " n"]
    rating: Int64[np.ndarray, " n"]
    propensity: Float[np.ndarray, " n"]
    """Probability that the chosen item was on the slate, in any slot."""
    slot: Int64[np.ndarray, " n"]
    policy: Float[np.ndarray, "n_periods n_items"]
    """Probability that the policy fills a slot with an item, for a user without interactions."""


def draw_world(n_users: int, n_items: int, rng: np.random.Generator) -> World:
    """Draw items with independent attributes and users with independent tastes for each part."""
    attributes = {name: rng.integers(len(VALUES[name]), size=n_items) for part in (TEXT, IMAGE) for name in GROUPS[part]}
    sizes = {"brand": max(12, n_items // 10), "category": max(10, n_items // 15), "material": max(10, n_items // 20)}
    links = {name: rng.integers(size, size=n_items) for name, size in sizes.items()}
    owners = {name: rng.permutation(size) % len(VALUES[group]) for (name, size), group in zip(sizes.items(), GROUPS[KG], strict=True)}
    attributes |= {group: owners[name][links[name]] for name, group in zip(sizes, GROUPS[KG], strict=True)}
    factors = {part: _content_factors([(attributes[g], len(VALUES[g])) for g in groups], rng) for part, groups in GROUPS.items()}
    factors[COLLABORATIVE] = _whiten(rng.standard_normal((n_items, 1 + N_COMPONENTS)))
    tastes = {part: _taste_paths(n_users, rng) for part in GROUPS}
    hidden = np.sqrt(1 - QUALITY_SHARE) * _taste_paths(n_users, rng)
    tastes[COLLABORATIVE] = np.concatenate([np.full((N_PERIODS, n_users, 1), np.sqrt(QUALITY_SHARE)), hidden], axis=2)
    return World(attributes, links, owners, factors, tastes, _launch_periods(n_items, rng))


def simulate(world: World, n_interactions: int, rng: np.random.Generator, interests: Interests | None = None) -> Log:
    """Simulate the log: users arrive at random times, see a slate drawn by the policy, and choose one item that they do not have yet.

    Policy: each of `SLATE_SIZE` slots is filled independently, from the launched items that the user does not have, with probability
    proportional to a fixed promotion of the item times (1 + its count before this period / mean count) ** `POPULARITY_EXPONENT`.
    Choice: softmax over the slots of `CHOICE_SHARPNESS` * utility + log examination; examination decreases with the slot like the discount
    of DCG. With `interests`, these take the place of the part of utility that texts show, see `mmrec.data.sources.demo_shop.interests`.
    """
    n_users, n_items = world.tastes[COLLABORATIVE].shape[1], len(world.launch_period)
    user_idx, timestamp = _visits(n_users, n_items, n_interactions, rng)
    if interests is not None:
        timestamp = interests.gather(user_idx, timestamp, START + N_PERIODS * PERIOD_SECONDS)
    period = (timestamp - START) // PERIOD_SECONDS
    promotion = np.exp(PRIOR_SIGMA * rng.standard_normal(n_items))
    item_idx, slot, utility, propensity = (np.zeros(n_interactions, dtype) for dtype in (np.int64, np.int64, np.float32, np.float64))
    owned = np.zeros((n_users, n_items), dtype=bool)
    policy = np.zeros((N_PERIODS, n_items))
    counts = np.zeros(n_items)
    for p in range(N_PERIODS):
        total = cast("np.ndarray", sum(world.utility(part, p) for part in SHARES if interests is None or part != TEXT))
        weight = promotion * (1 + counts / max(counts.mean(), 1.0)) ** POPULARITY_EXPONENT * (world.launch_period <= p)
        policy[p] = weight / weight.sum()
        for rows in _rounds(user_idx, np.flatnonzero(period == p)):
            users = user_idx[rows]
            of_users = total[users] if interests is None else TASTE_SHARE * total[users] + interests.utility(rows, users)
            item_idx[rows], slot[rows], propensity[rows] = _choose(policy[p], of_users, owned[users], rng)
            utility[rows] = of_users[np.arange(len(rows)), item_idx[rows]]
            if interests is not None:
                interests.remember(users, item_idx[rows])
            owned[users, item_idx[rows]] = True
        counts = np.bincount(item_idx[period <= p], minlength=n_items).astype(float)
    rating = _rate(utility, rng)
    order = np.lexsort((user_idx, timestamp))
    return Log(user_idx[order], item_idx[order], timestamp[order], rating[order], propensity[order], slot[order], policy)


def examination() -> Float[np.ndarray, " slate_size"]:
    """Return the examination of each slot relative to the first: the factor on the odds of choosing what stands there."""
    return 1 / np.log2(2 + np.arange(SLATE_SIZE))


def _whiten(values: Float[np.ndarray, "n dim"]) -> Float[np.ndarray, "n dim"]:
    """Transform to zero mean, unit variance and uncorrelated columns, by symmetric (ZCA) whitening, which keeps columns interpretable."""
    centred = values - values.mean(0)
    eigenvalue, vector = np.linalg.eigh(centred.T @ centred / len(values))
    whitened: np.ndarray = centred @ (vector / np.sqrt(eigenvalue.clip(1e-9))) @ vector.T
    return whitened


def _content_factors(columns: list[tuple[np.ndarray, int]], rng: np.random.Generator) -> Float[np.ndarray, "n_items dim"]:
    """Return whitened item factors: random linear functions of the item's attribute values, summed over the groups."""
    return _whiten(sum(_whiten(rng.standard_normal((n_values, N_COMPONENTS)))[value] for value, n_values in columns))


def _taste_paths(n_users: int, rng: np.random.Generator) -> Float[np.ndarray, "n_periods n_users dim"]:
    """Draw a path on the unit sphere for every user: a stationary Gaussian autoregressive process, normalised in every period."""
    state = rng.standard_normal((n_users, N_COMPONENTS))
    path = []
    for _ in range(N_PERIODS):
        path.append(state / np.linalg.norm(state, axis=1, keepdims=True))
        state = TASTE_MEMORY * state + np.sqrt(1 - TASTE_MEMORY**2) * rng.standard_normal(state.shape)
    return np.stack(path)


def _launch_periods(n_items: int, rng: np.random.Generator) -> Int64[np.ndarray, " n_items"]:
    """Draw the launch periods: most items from the start, some in the last quarter, a few after the end."""
    n_late, n_never = round(LATE_SHARE * n_items), max(1, round(NEVER_SHARE * n_items))
    launch = np.zeros(n_items, dtype=np.int64)
    launch[:n_late] = rng.integers(N_PERIODS * 3 // 4, N_PERIODS, size=n_late)
    launch[:n_never] = N_PERIODS
    return rng.permutation(launch)


def _visits(
    n_users: int, n_items: int, n_interactions: int, rng: np.random.Generator
) -> tuple[Int64[np.ndarray, " n"], Int64[np.ndarray, " n"]]:
    """Draw user and time of every choice, sorted by both: lognormal activity, at least five and at most a third of the catalogue."""
    activity = rng.lognormal(sigma=0.6, size=n_users)
    n_choices = np.full(n_users, 5)
    while (missing := n_interactions - n_choices.sum()) > 0:
        room = activity * (n_choices < n_items // 3)
        n_choices = np.minimum(n_choices + rng.multinomial(missing, room / room.sum()), n_items // 3)
    user_idx = np.repeat(np.arange(n_users), n_choices)
    timestamp = START + rng.integers(N_PERIODS * PERIOD_SECONDS, size=n_interactions)
    return user_idx, timestamp[np.lexsort((timestamp, user_idx))]


def _rounds(user_idx: Int64[np.ndarray, " n"], rows: Int64[np.ndarray, " m"]) -> list[Int64[np.ndarray, " _"]]:
    """Split the given rows (ascending, so grouped by user) into rounds: round r has the r-th row of every user that has one."""
    users = user_idx[rows]
    turn = np.arange(len(rows)) - np.searchsorted(users, users)
    return [rows[turn == r] for r in range(turn.max(initial=-1) + 1)]


def _choose(
    policy: Float[np.ndarray, " n_items"],
    utility: Float[np.ndarray, "batch n_items"],
    owned: Bool[np.ndarray, "batch n_items"],
    rng: np.random.Generator,
) -> tuple[Int64[np.ndarray, " batch"], Int64[np.ndarray, " batch"], Float[np.ndarray, " batch"]]:
    """Draw one slate and one choice for each user.

    Returns:
        The chosen item, its slot, and the probability that the item is on the slate.
    """
    batch, n_items = utility.shape
    row = np.arange(batch)[:, None]
    cumulative = np.cumsum(policy * ~owned, axis=1)
    cumulative /= cumulative[:, -1:]
    # One search for the whole batch: row r's cumulative distribution occupies (r, r + 1], where multiples of 2^-32 are exact in float64.
    place = rng.integers(1, 2**32, size=(batch, SLATE_SIZE), endpoint=True) / 2**32 + row
    found = np.searchsorted((cumulative + row).ravel(), place.ravel())
    slates = found.reshape(batch, SLATE_SIZE) - row * n_items
    noise = rng.gumbel(size=slates.shape)
    slot = (CHOICE_SHARPNESS * np.take_along_axis(utility, slates, 1) + np.log(examination()) + noise).argmax(1)
    item = slates[row[:, 0], slot]
    share = policy[item] / (policy * ~owned).sum(1)
    return item, slot, 1 - (1 - share) ** SLATE_SIZE


def _rate(utility: Float[np.ndarray, " n"], rng: np.random.Generator) -> Int64[np.ndarray, " n"]:
    """Rate 1 to 5 stars: utility, standardised over the log, plus noise of half its standard deviation, centred at 3.6."""
    standard = (utility - utility.mean()) / max(utility.std(), 1e-9)
    stars: np.ndarray = np.clip(np.rint(3.6 + standard + 0.5 * rng.standard_normal(len(utility))), 1, 5)
    return stars.astype(np.int64)
