"""Half-lives by maximum likelihood: recovered where they are planted, absent where nothing decays."""

import math

import numpy as np
import pytest
import torch

from mmrec.data.interactions.sessions import DAY_S
from mmrec.models.time.choice_sets import ChoiceSettings, draw_choice_sets
from mmrec.models.time.half_life import Bounds, ChoiceModel, HalfLife, estimate_half_lives
from mmrec.nn.time.kernels import KERNELS
from mmrec.types import DatasetSpec, Interactions

N_USERS, N_ITEMS, N_VALUES, N_EVENTS = 120, 160, 4, 30
VALUE = np.arange(N_ITEMS) % N_VALUES


def simulate(half_life_days: float, seed: int, strength: float = 4.0, kernel: str = "exponential") -> DatasetSpec:
    """Choices among items of four values, by popularity and by the weighted history of values."""
    rng = np.random.default_rng(seed)
    popularity = rng.normal(size=N_ITEMS)
    rows = []
    for user in range(N_USERS):
        times = np.sort(rng.uniform(0, 300, N_EVENTS))
        owned: list[int] = []
        for n, time in enumerate(times):
            utility = popularity + 3 * (rng.integers(N_VALUES) == VALUE)  # what moves interests
            if owned:
                age = torch.from_numpy((time - times[:n]) / half_life_days)
                weight = KERNELS[kernel](age).softmax(dim=0).numpy()
                share = np.bincount(VALUE[owned], weight, minlength=N_VALUES)
                utility = utility + strength * share[VALUE]
            utility[owned] = -np.inf
            item = int(np.argmax(utility + rng.gumbel(size=N_ITEMS)))
            owned.append(item)
            rows.append((user, item, round(time * DAY_S)))
    return DatasetSpec(N_USERS, N_ITEMS, Interactions(*torch.tensor(rows).T.contiguous()))


def estimate(
    spec: DatasetSpec, kernel: str = "exponential", kinds: torch.Tensor | None = None, names: tuple[str, ...] = ("all",)
) -> list[HalfLife]:
    sets = draw_choice_sets(spec, ChoiceSettings(n_choices=2500), torch.Generator().manual_seed(0))
    vectors = torch.nn.functional.one_hot(torch.from_numpy(VALUE)).float()
    popularity = torch.bincount(spec.train.item_idx, minlength=N_ITEMS)
    kinds = torch.zeros(N_ITEMS, dtype=torch.int64) if kinds is None else kinds
    return estimate_half_lives(ChoiceModel(sets, vectors, popularity, kinds, KERNELS[kernel]), Bounds(0.25, 3000.0), list(names)).half_lives


@pytest.mark.parametrize("kernel", ["exponential", "power"])
def test_a_planted_half_life_is_recovered(kernel: str) -> None:
    found = estimate(simulate(20.0, 1, kernel=kernel), kernel)[0]
    assert found.decays
    assert found.low < 20.0 < found.high
    assert kernel == "power" or 0 < found.error < 0.35 * found.days  # its tail is hard to tell from interests that last


def test_different_half_lives_are_told_apart() -> None:
    short, long = (estimate(simulate(days, 2))[0] for days in (5.0, 80.0))
    assert short.high < long.low


def test_interests_that_last_are_reported_as_such() -> None:
    for spec in (simulate(1e6, 3), simulate(10.0, 4, strength=0.0)):
        found = estimate(spec)[0]
        assert not found.decays
        assert found.p_value > 0.01


def test_every_category_gets_a_half_life_within_its_bounds() -> None:
    kinds = torch.from_numpy(VALUE % 2)
    found = estimate(simulate(20.0, 5), kinds=kinds, names=("even", "odd"))
    assert [one.group for one in found] == ["even", "odd"]
    for one in found:
        assert one.low <= 20.0 <= one.high
        assert 0.25 <= one.low < one.days < one.high <= 3000.0
        assert math.isfinite(one.error)
