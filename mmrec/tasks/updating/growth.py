"""Grow the weights and the optimizer state of a trained model with its data: rows keep their values, new rows are estimated."""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import polars as pl
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from mmrec.data.interactions.index import indices_of
from mmrec.errors import ConfigError
from mmrec.nn.table_rows import ITEMS, USERS, Rows

_RIDGE = 0.01
"""The regularization of the estimate of new rows, relative to the mean square of the inputs."""
_MOMENTA = ("exp_avg", "momentum_buffer")
"""Optimizer states that are averages of gradients, which are zero for new rows; others are averages of their squares."""


class Growth(NamedTuple):
    """Where the rows of each kind were before, see `mmrec.nn.table_rows`."""

    rows_before: Mapping[str, Int64[Tensor, " n_now"]]
    """By kind, the row that each of the present rows had before; -1 for new ones."""
    n_before: Mapping[str, int]
    """By kind, the number of rows before."""

    @classmethod
    def of_names(cls, names: Mapping[str, tuple[pl.Series, pl.Series]]) -> "Growth":
        """Compare the names of the rows before and now, by kind."""
        rows = {kind: indices_of(now, before) for kind, (before, now) in names.items()}
        return cls(rows, {kind: len(before) for kind, (before, _) in names.items()})

    def of_table(self, rows: Rows) -> "TableGrowth":
        """Return the rows of a table with several blocks."""
        before, is_estimated, start = [], [], 0
        for kind in rows:
            found = torch.arange(kind) if isinstance(kind, int) else self.rows_before[kind]
            before.append(torch.where(found >= 0, found + start, -1))
            is_estimated.append(torch.full((len(found),), kind in (USERS, ITEMS)))
            start += kind if isinstance(kind, int) else self.n_before[kind]
        return TableGrowth(torch.cat(before), start, torch.cat(is_estimated))


class TableGrowth(NamedTuple):
    """The rows of a table before and now."""

    before: Int64[Tensor, " n_now"]
    """The row that each row had before; -1 for new ones."""
    n_before: int
    is_estimated: Bool[Tensor, " n_now"]
    """Whether the row is of a user or an item."""

    def take(self, before: Tensor, otherwise: Tensor) -> Tensor:
        """Return the values that the rows had before, and those of `otherwise` for new rows."""
        is_old = self.before >= 0
        grown = otherwise.to(before.dtype).expand(len(is_old), *before.shape[1:]).clone()
        grown[is_old] = before[self.before[is_old]]
        return grown


def grow_weights(
    fresh: Mapping[str, Tensor], before: Mapping[str, Tensor], tables: Mapping[str, Rows], growth: Growth, may_lack: Collection[str] = ()
) -> dict[str, Tensor]:
    """Return the weights of a model whose tables have grown.

    New rows of users and items are estimated from their initial values: a linear map that is fitted to the old rows leads from initial
    values, which come from the linear model of the grown data, to trained ones. Other new rows keep their initial values.

    Args:
        fresh: the `state_dict` of an untrained model of the grown data.
        before: the `state_dict` of the trained model.
        tables: the rows of the tables, see `rows_of_tables`.
        growth: the rows before and now.
        may_lack: names that `before` need not contain.

    Raises:
        ConfigError: the models have other parts.
    """
    for name in (*before, *fresh):
        if name not in fresh or (name not in before and name not in may_lack):
            raise _other_parts(name, before.get(name), fresh.get(name))
    return {name: _grown(name, value, before.get(name), tables, growth) for name, value in fresh.items()}


def _grown(name: str, fresh: Tensor, before: Tensor | None, tables: Mapping[str, Rows], growth: Growth) -> Tensor:
    if before is None:
        return fresh
    if name not in tables:
        if before.shape != fresh.shape:
            raise _other_parts(name, before, fresh)
        return before
    rows = growth.of_table(tables[name])
    if before.shape != (rows.n_before, *fresh.shape[1:]):
        raise _other_parts(name, before, fresh)
    return rows.take(before, _estimated(fresh, before, rows))


def _other_parts(name: str, before: Tensor | None, now: Tensor | None) -> ConfigError:
    shapes = ["none" if one is None else str(list(one.shape)) for one in (before, now)]
    return ConfigError(
        f"update: with the new data, `{name}` of the model has another shape: expected {shapes[0]}, found {shapes[1]}; the data have other "
        "kinds of evidence, or the model cannot grow: train again with `mmrec train`"
    )


def _estimated(fresh: Tensor, before: Tensor, rows: TableGrowth) -> Tensor:
    """The initial values, with those of users and items mapped to where training has led the old rows."""
    inputs = fresh.detach().reshape(len(fresh), -1).double()
    known = (rows.before >= 0) & rows.is_estimated & (inputs != 0).any(dim=1)
    if int(known.sum()) < 2 or not before.is_floating_point():
        return fresh.detach()
    targets = before[rows.before[known]].reshape(int(known.sum()), -1).double()
    mapped = ridge(inputs[known], targets, inputs).reshape(fresh.shape).to(fresh.dtype)
    mask = rows.is_estimated.reshape(-1, *[1] * (fresh.ndim - 1))
    return torch.where(mask, mapped, fresh.detach())


def ridge(
    inputs: Float[Tensor, "n inputs"], targets: Float[Tensor, "n outputs"], at: Float[Tensor, "m inputs"]
) -> Float[Tensor, "m outputs"]:
    """Fit a linear map with an intercept by ridge regression, and return its values at other inputs."""
    centre, mean = inputs.mean(dim=0), targets.mean(dim=0)
    centred = inputs - centre
    gram = centred.T @ centred
    gram.diagonal().add_(_RIDGE * float(gram.diagonal().mean()) + 1e-12)
    found: Tensor = mean + (at - centre) @ torch.linalg.solve(gram, centred.T @ (targets - mean))
    return found


def grow_optimizer(
    state: Mapping[str, Any],
    optimizer: torch.optim.Optimizer,
    names: Mapping[int, str],
    tables: Mapping[str, Rows],
    growth: Growth,
) -> dict[str, Any]:
    """Return the state of an optimizer for a model whose tables have grown.

    New rows have no momentum, and the mean square of the gradients of the old rows, so that their first steps are not longer than those of
    others.

    Args:
        state: the `state_dict` of the optimizer before.
        optimizer: the optimizer of the grown model.
        names: the names of the parameters by `id`.
        tables: the rows of the tables, by name.
        growth: the rows before and now.
    """
    found = optimizer.state_dict()
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    found["state"] = {
        place: {
            key: _grown_state(key, value, names[id(parameters[place])], tables, growth) if isinstance(value, Tensor) else value
            for key, value in values.items()
        }
        for place, values in state["state"].items()
        if place < len(parameters)
    }
    return found


def _grown_state(key: str, before: Tensor, name: str, tables: Mapping[str, Rows], growth: Growth) -> Tensor:
    if name not in tables or not before.ndim:
        return before
    rows = growth.of_table(tables[name])
    if len(before) != rows.n_before:
        return before
    otherwise = torch.zeros_like(before[:1]) if key in _MOMENTA else before.mean(dim=0, keepdim=True)
    return rows.take(before, otherwise)
