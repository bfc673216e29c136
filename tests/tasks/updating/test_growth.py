"""Grown tables: old rows keep their values wherever they are now, and new ones are estimated."""

from typing import Any

import polars as pl
import pytest
import torch
from torch import nn

from mmrec.errors import ConfigError
from mmrec.nn.table_rows import ITEMS, USERS, rows_of_tables
from mmrec.tasks.updating.growth import Growth, grow_optimizer, grow_weights


def growth(**names: tuple[str, str]) -> Growth:
    return Growth.of_names({kind: (pl.Series(list(before)), pl.Series(list(now))) for kind, (before, now) in names.items()})


def test_rows_follow_their_names_through_several_blocks() -> None:
    rows = growth(users=("ab", "bca"), items=("xyz", "zwx")).of_table((USERS, ITEMS, 1))
    assert rows.before.tolist() == [1, -1, 0, 4, -1, 2, 5] and rows.n_before == 6
    assert rows.is_estimated.tolist() == [True] * 6 + [False]


def test_new_rows_are_mapped_as_training_has_moved_the_old_ones() -> None:
    """The old rows are twice their initial values plus one; so is the estimate of the new row."""
    generator = torch.Generator().manual_seed(0)
    fresh = torch.randn(60, 3, generator=generator)
    found = growth(items=("".join(map(chr, range(200, 258))), "".join(map(chr, range(198, 258)))))
    before = 2 * fresh[2:] + 1
    grown = grow_weights({"t": fresh}, {"t": before}, {"t": (ITEMS,)}, found)["t"]
    assert torch.equal(grown[2:], before)
    assert torch.allclose(grown[:2], 2 * fresh[:2] + 1, atol=0.1)


def test_what_has_no_rows_is_taken_as_it_is() -> None:
    before = {"net": torch.ones(2, 2), "t": torch.ones(1, 2)}
    grown = grow_weights({"net": torch.zeros(2, 2), "t": torch.zeros(2, 2)}, before, {"t": ("entities",)}, growth(entities=("a", "ba")))
    assert torch.equal(grown["net"], before["net"]) and grown["t"].tolist() == [[0, 0], [1, 1]]


@pytest.mark.parametrize(
    ("fresh", "before"),
    [
        ({"net": torch.zeros(3)}, {"net": torch.zeros(2)}),
        ({"net": torch.zeros(2), "more": torch.zeros(1)}, {"net": torch.zeros(2)}),
        ({"net": torch.zeros(2)}, {"net": torch.zeros(2), "less": torch.zeros(1)}),
        ({"t": torch.zeros(2, 3)}, {"t": torch.zeros(1, 2)}),
    ],
)
def test_models_of_other_parts_are_refused(fresh: dict[str, Any], before: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"update: with the new data, `(net|more|less|t)` of the model has another shape"):
        grow_weights(fresh, before, {"t": (ITEMS,)}, growth(items=("a", "ab")))


class Tables(nn.Module):
    table_rows = {"of_users": (USERS,), "absent": (ITEMS,)}  # noqa: RUF012

    def __init__(self, n_users: int) -> None:
        super().__init__()
        self.of_users, self.net = nn.Parameter(torch.zeros(n_users, 2)), nn.Linear(2, 2)


def test_the_names_of_tables_are_those_of_the_state() -> None:
    assert rows_of_tables(nn.ModuleDict({"part": Tables(2)})) == {"part.of_users": (USERS,)}


def test_the_optimizer_remembers_old_rows_and_is_careful_with_new_ones() -> None:
    before, now = Tables(2), Tables(3)
    optimizer = torch.optim.AdamW(before.parameters(), lr=0.1)
    (before.of_users * torch.tensor([[1.0], [3.0]])).sum().backward()
    optimizer.step()
    after = torch.optim.AdamW(now.parameters(), lr=0.1)
    names = {id(parameter): name for name, parameter in now.named_parameters()}
    state = grow_optimizer(optimizer.state_dict(), after, names, rows_of_tables(now), growth(users=("ab", "bca")))
    after.load_state_dict(state)
    found = after.state[now.of_users]
    old = optimizer.state[before.of_users]
    assert torch.equal(found["exp_avg"][[2, 0]], old["exp_avg"]) and (found["exp_avg"][1] == 0).all()
    assert torch.equal(found["exp_avg_sq"][[2, 0]], old["exp_avg_sq"])
    assert torch.allclose(found["exp_avg_sq"][1], old["exp_avg_sq"].mean(dim=0)) and found["step"] == 1
