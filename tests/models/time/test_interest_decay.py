"""Half-lives for all, by group, category and user; and what is wrong with a configuration or the data."""

import math
from typing import Any

import polars as pl
import pytest
import torch

from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.errors import ConfigError
from mmrec.models.time.half_life import Bounds, ChoiceModel, estimate_half_lives
from mmrec.models.time.interest_decay import Decay, InterestDecay
from mmrec.models.time.shrinkage import shrink_to
from mmrec.types import DatasetSpec, Interactions
from tests.models.time.test_half_life import N_ITEMS, N_USERS, VALUE, simulate

NOTHING = torch.zeros(0, dtype=torch.int64)


def fit(spec: DatasetSpec, **arguments: Any) -> tuple[Decay, InterestDecay]:
    prior, none = InterestDecay(**arguments), InteractionMatrix.from_pairs(NOTHING, NOTHING, spec.n_users, spec.n_items)
    return prior.fit(spec, EvaluationSet.build(none, none), 20), prior


@pytest.fixture(scope="module")
def spec() -> DatasetSpec:
    """The users of even and odd number have half-lives of 5 and 60 days."""
    one, other = simulate(5.0, 7), simulate(60.0, 8)
    rows = [
        torch.where(one.train.user_idx % 2 == 0, getattr(one.train, name), getattr(other.train, name)) for name in ("item_idx", "timestamp")
    ]
    users = pl.DataFrame({"user_id": range(N_USERS), "pace": ["fast", "slow"] * (N_USERS // 2)})
    items = pl.DataFrame({"item_id": range(N_ITEMS), "use": VALUE})
    return DatasetSpec(N_USERS, N_ITEMS, Interactions(one.train.user_idx, *rows), user_table=users, item_table=items)


def test_groups_of_users_have_half_lives_of_their_own(spec: DatasetSpec) -> None:
    decay, prior = fit(spec, by="user_group", column="pace", similar_by="use")
    fast, slow = prior.table[1:]
    assert (fast.group, slow.group) == ("fast", "slow")
    assert abs(fast.days - 5) < 2 and fast.high < slow.days and slow.low < 60
    assert decay.of_users[:2].tolist() == [fast.days, slow.days]
    assert decay.overall == prior.table[0].days
    assert "± " in prior.describe()[1]
    assert prior.chosen["half_lives"]["fast"]["half_life_days"] == pytest.approx(fast.days, abs=1e-3)


def test_users_are_shrunk_to_the_half_life_of_all() -> None:
    spec = simulate(20.0, 9)
    from mmrec.models.time.choice_sets import ChoiceSettings, draw_choice_sets
    from mmrec.nn.time.kernels import exponential

    sets = draw_choice_sets(spec, ChoiceSettings(n_choices=2000), torch.Generator().manual_seed(0))
    vectors = torch.nn.functional.one_hot(torch.from_numpy(VALUE)).float()
    popularity = torch.bincount(spec.train.item_idx, minlength=N_ITEMS)
    model, bounds = ChoiceModel(sets, vectors, popularity, torch.zeros(N_ITEMS, dtype=torch.int64), exponential), Bounds(0.25, 3000.0)
    found = estimate_half_lives(model, bounds, ["all"])
    centre = torch.full((N_USERS,), found.half_lives[0].days, dtype=torch.float64)
    users = shrink_to(model, found.coefficients, centre, bounds)
    assert len(users.days) == len(users.user_idx) <= N_USERS
    assert (users.days.log() - centre[0].log()).abs().max() < 1.0  # all have the same half-life
    assert (users.deviation <= 1.7).all() and users.spread <= 0.4


def test_a_known_half_life_is_not_estimated(spec: DatasetSpec) -> None:
    decay, prior = fit(spec, half_life_days=12.0)
    assert decay.overall == 12.0 and (decay.of_users == 12.0).all() and not prior.table


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kernel": "expnential"}, r"time\.kernel.*did you mean `exponential`"),
        ({"by": "user_grup", "column": "pace"}, r"time\.by.*did you mean `user_group`"),
        ({"by": "user_group"}, r"time\.column: expected a column of the users"),
        ({"column": "pace"}, r"time\.column: `pace` is not used"),
        ({"half_life_days": -1.0}, r"time\.half_life_days"),
        ({"half_life_days": 3.0, "by": "user"}, r"time\.half_life_days: expected null"),
        ({"by": "user_group", "column": "pase"}, r"time\.column: the users have no column `pase`; did you mean `pace`"),
        ({"by": "item_category", "column": "pace"}, r"time\.column: the items have no column `pace`"),
        ({"similar_by": "uze"}, r"time\.similar_by: the items have no column `uze`; did you mean `use`"),
    ],
)
def test_what_is_wrong_is_told_by_key(spec: DatasetSpec, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        fit(spec, **arguments)


def test_times_and_several_sessions_are_needed(spec: DatasetSpec) -> None:
    untimed = DatasetSpec(spec.n_users, spec.n_items, Interactions(spec.train.user_idx, spec.train.item_idx))
    with pytest.raises(ConfigError, match=r"timestamp.*time=none"):
        fit(untimed)
    at_once = Interactions(spec.train.user_idx, spec.train.item_idx, torch.zeros_like(spec.train.user_idx))
    with pytest.raises(ConfigError, match="earlier session"):
        fit(DatasetSpec(spec.n_users, spec.n_items, at_once))


def test_interests_without_decay_last_for_ever() -> None:
    users = simulate(1e6, 10)
    items = pl.DataFrame({"item_id": range(N_ITEMS), "use": VALUE})
    decay, prior = fit(DatasetSpec(N_USERS, N_ITEMS, users.train, item_table=items), similar_by="use")
    assert math.isinf(decay.overall) and decay.of_users.isinf().all()
    assert "no decay found" in prior.describe()[0]
    assert prior.chosen["half_lives"]["all"]["half_life_days"] is None
