"""Synthetic data with known answers: users and items have one of two colours, and users have items of their own colour only.

A model that has learned ranks the remaining items of a user's colour before all others. After the checkerboard of benfred/implicit.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.metrics.full_ranking import rank_users
from mmrec.types import IMAGE, TEXT, DatasetSpec, Features, Graph, Interactions, Scorer, Words

N_USERS, N_WARM, N_COLD = 40, 40, 6
_START, _DAY_S = 1_600_000_000, 86_400


def same_colour(n_items: int) -> Bool[Tensor, "n_users n_items"]:
    """Whether user and item have the same colour; colours alternate among users and among items."""
    return (torch.arange(N_USERS)[:, None] - torch.arange(n_items)) % 2 == 0


def most_of_ones_colour() -> InteractionMatrix:
    """All users have the items of their colour except two; all items have equally many users."""
    distance = (torch.arange(N_WARM) - torch.arange(N_USERS)[:, None]) % N_WARM
    wanted = same_colour(N_WARM) & (distance > 2)
    users, items = wanted.nonzero().unbind(1)
    return InteractionMatrix.from_pairs(users, items, N_USERS, N_WARM)


def all_warm_of_ones_colour() -> InteractionMatrix:
    """All users have all warm items of their colour; the remaining ones are the last items, which are new."""
    users, items = same_colour(N_WARM).nonzero().unbind(1)
    return InteractionMatrix.from_pairs(users, items, N_USERS, N_WARM + N_COLD)


def own_colour_first(scorer: Scorer, train: InteractionMatrix) -> Bool[Tensor, " n_users"]:
    """Whether the remaining items of each user's colour are ranked first."""
    own = same_colour(train.n_items)
    ranking = rank_users(scorer, torch.arange(N_USERS), train, train.n_items)
    hits = own.gather(1, ranking.item_idx.clamp(min=0)) & (ranking.item_idx >= 0)
    n_left = own.sum(dim=1) - train.degree
    assert (n_left > 0).all()
    return (hits.cumsum(dim=1).gather(1, n_left[:, None] - 1) == n_left[:, None])[:, 0]


def make_spec(
    train: InteractionMatrix, features: dict[str, Features], graph: Graph | None = None, words: Words | None = None
) -> DatasetSpec:
    """The specification of interactions, with times in random order, and item content."""
    users, items = train.rows(torch.arange(train.n_users))
    order = torch.randperm(len(users), generator=torch.Generator().manual_seed(0))
    events = Interactions(users, items, _START + _DAY_S * order)
    return DatasetSpec(train.n_users, train.n_items, events, features, graph, words=words)


def spec_of_colours(train: InteractionMatrix) -> DatasetSpec:
    """The specification with all kinds of content, each of which reveals the items' colours."""
    features = {TEXT: colours(train.n_items), IMAGE: colours(train.n_items, seed=2)}
    return make_spec(train, features, entities_of_colours(train.n_items), words_of_colours(train.n_items))


def colours(n_items: int, seed: int = 1) -> Features:
    """Features in which one dimension is the colour and four are noise."""
    colour = torch.arange(n_items) % 2 * 4.0 - 2
    return Features(torch.cat([colour[:, None], 0.3 * noise(n_items, seed=seed)], dim=1), torch.ones(n_items, dtype=torch.bool))


def entities_of_colours(n_items: int) -> Graph:
    """A graph in which every item is an entity, related to that of its colour."""
    items = torch.arange(n_items)
    return Graph(torch.stack([items, n_items + items % 2]), torch.zeros_like(items), n_items + 2, 1, items)


def words_of_colours(n_items: int) -> Words:
    """One word per item, that of its colour."""
    return Words(torch.arange(n_items + 1), torch.arange(n_items) % 2, 2)


def noise(n_items: int, dim: int = 4, seed: int = 1) -> Float[Tensor, "n_items dim"]:
    """Normally distributed numbers from a fixed seed."""
    return torch.randn(n_items, dim, generator=torch.Generator().manual_seed(seed))
