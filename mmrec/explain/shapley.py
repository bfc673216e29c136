"""Exact Shapley values: what each of a few players contributes to a value, averaged over all orders in which they may come."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from math import comb

import torch
from jaxtyping import Float
from torch import Tensor

Coalition = frozenset[str]


def coalitions(players: Sequence[str]) -> Iterator[Coalition]:
    """Yield all subsets of the players, the empty one first and that of all last."""
    for size in range(len(players) + 1):
        yield from map(frozenset, combinations(players, size))


def shapley_values(values: Mapping[Coalition, Float[Tensor, " n"]], players: Sequence[str]) -> Float[Tensor, "n players"]:
    """Compute the Shapley values of all players (Shapley 1953).

    `φ_p = Σ_S |S|! (m - |S| - 1)! / m! (v(S ∪ {p}) - v(S))` over the subsets S without p of m players. Those of all players add up to
    `v(all) - v(∅)`.

    Args:
        values: v for every subset in `coalitions(players)`, each for n cases.
        players: the names of the players.

    Returns:
        A column for each player.

    Raises:
        ValueError: there are no players, or a subset has no value.

    >>> values = {frozenset(): torch.tensor([0.0]), frozenset("a"): torch.tensor([1.0]), frozenset("b"): torch.tensor([2.0])}
    >>> shapley_values(values | {frozenset("ab"): torch.tensor([4.0])}, ["a", "b"])
    tensor([[1.5000, 2.5000]])
    """
    if not players:
        raise ValueError("players: expected at least one, found none")
    if missing := [sorted(one) for one in coalitions(players) if one not in values]:
        raise ValueError(f"values: expected one for every subset of {', '.join(players)}, found none for {missing[0]}")
    m, columns = len(players), []
    for player in players:
        others = [one for one in players if one != player]
        gains = [(values[one | {player}] - values[one]) / (m * comb(m - 1, len(one))) for one in coalitions(others)]
        columns.append(torch.stack(gains).sum(dim=0))
    return torch.stack(columns, dim=1)
