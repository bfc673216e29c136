"""Shapley values against their definition as a mean over all orders, and what they must add up to."""

from itertools import permutations

import pytest
import torch

from mmrec.explain.shapley import coalitions, shapley_values

PLAYERS = ["a", "b", "c", "d"]


@pytest.fixture
def values() -> dict[frozenset[str], torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {one: torch.randn(3, generator=generator, dtype=torch.float64) for one in coalitions(PLAYERS)}


def test_they_are_the_mean_gain_over_all_orders(values: dict[frozenset[str], torch.Tensor]) -> None:
    orders, expected = list(permutations(PLAYERS)), torch.zeros(3, len(PLAYERS), dtype=torch.float64)
    for order in orders:
        for place, player in enumerate(order):
            before = frozenset(order[:place])
            expected[:, PLAYERS.index(player)] += (values[before | {player}] - values[before]) / len(orders)
    found = shapley_values(values, PLAYERS)
    assert torch.allclose(found, expected)
    assert torch.allclose(found.sum(dim=1), values[frozenset(PLAYERS)] - values[frozenset()])


def test_who_adds_nothing_gets_nothing(values: dict[frozenset[str], torch.Tensor]) -> None:
    idle = {one: values[one - {"d"}] for one in values}
    assert torch.equal(shapley_values(idle, PLAYERS)[:, 3], torch.zeros(3, dtype=torch.float64))


def test_a_subset_without_a_value_is_named(values: dict[frozenset[str], torch.Tensor]) -> None:
    del values[frozenset("bd")]
    with pytest.raises(ValueError, match=r"found none for \['b', 'd'\]"):
        shapley_values(values, PLAYERS)
    with pytest.raises(ValueError, match="players: expected at least one"):
        shapley_values(values, [])
