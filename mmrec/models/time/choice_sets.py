"""Choice sets: what users chose, what they might have chosen instead, and what they had chosen before."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from mmrec.data.interactions.sessions import DAY_S, find_sessions
from mmrec.types import DatasetSpec

_WINDOW, _LEAST_WINDOW = 0.02, 500
"""Alternatives are drawn from this fraction of all events before and after the choice, and from at least so many."""


class ChoiceSets(NamedTuple):
    """Choices of users, each with alternatives and with the user's history of earlier sessions."""

    user_idx: Int64[Tensor, " n"]
    history: Int64[Tensor, "n length"]
    """The latest items of earlier sessions; -1 where there are fewer."""
    age_days: Float[Tensor, "n length"]
    """The time from the start of the session of the history item to that of the choice."""
    same_session: Int64[Tensor, "n in_session"]
    """The latest earlier items of the session of the choice; -1 where there are fewer."""
    candidates: Int64[Tensor, "n candidates"]
    """The chosen item, then the alternatives, with repetitions."""
    available: Bool[Tensor, "n candidates"]
    """False for items that the user had before."""

    def take(self, rows: Int64[Tensor, " m"]) -> "ChoiceSets":
        """Select some choices."""
        return ChoiceSets(*(column[rows] for column in self))


class ChoiceSettings(NamedTuple):
    """The size of choice sets."""

    session_gap_hours: float = 6.0
    n_choices: int = 10_000
    n_alternatives: int = 10
    length: int = 50
    """Of the history."""
    in_session: int = 20


def draw_choice_sets(spec: DatasetSpec, settings: ChoiceSettings, generator: torch.Generator) -> ChoiceSets:
    """Draw choices of users with earlier sessions, and alternatives that other users chose at about the same time.

    If users choose item `i` at time `t` with probability proportional to `λ_i(t) exp(V_ui)`, and alternatives are drawn in proportion to
    `λ_i(t)` with replacement, then the popularity trend `λ` cancels in the likelihood of the choice among the alternatives (McFadden 1978,
    "Modelling the Choice of Residential Location"). Repeated alternatives, and alternatives equal to the choice, are therefore kept.
    """
    times = spec.train.timestamp
    if times is None:
        raise ValueError("expected interactions with timestamps")
    sessions = find_sessions(spec.train.user_idx, times, settings.session_gap_hours)
    order = torch.argsort(times, stable=True)
    order = order[torch.argsort(spec.train.user_idx[order], stable=True)]
    user, item, number, start, time = (
        column[order] for column in (spec.train.user_idx, spec.train.item_idx, sessions.number, sessions.start, times)
    )
    place = torch.arange(len(user))
    first_of_user, first_of_session = _first(user)[user], _first(number)[number]
    targets = (first_of_session > first_of_user).nonzero().flatten()
    if len(targets) > settings.n_choices:
        targets = targets[torch.randperm(len(targets), generator=generator)[: settings.n_choices].sort().values]

    n_before = (first_of_session - first_of_user)[targets]
    length = min(settings.length, int(n_before.max()) if len(targets) else 1)
    history, is_history = _before(first_of_session[targets], first_of_user[targets], length)
    same, is_same = _before(place[targets], first_of_session[targets], settings.in_session)
    age = (start[targets][:, None] - start[history]).double() / DAY_S
    drawn = _draw_alternatives(time, targets, settings.n_alternatives, generator)
    candidates = torch.cat([item[targets][:, None], item[drawn]], dim=1)
    is_other = user[drawn] != user[targets][:, None]
    available = is_other & ~_had_before(user, item, spec.n_items, targets, candidates[:, 1:])
    return ChoiceSets(
        user[targets],
        torch.where(is_history, item[history], -1),
        torch.where(is_history, age, 0.0).float(),
        torch.where(is_same, item[same], -1),
        candidates,
        torch.cat([torch.ones(len(targets), 1, dtype=torch.bool), available], dim=1),
    )


def _first(sorted_numbers: Int64[Tensor, " n"]) -> Int64[Tensor, " highest_plus_1"]:
    """The position of the first occurrence of each number in an ascending sequence."""
    counts = torch.bincount(sorted_numbers)
    return counts.cumsum(0) - counts


def _before(
    end: Int64[Tensor, " n"], start: Int64[Tensor, " n"], length: int
) -> tuple[Int64[Tensor, "n length"], Bool[Tensor, "n length"]]:
    """The `length` positions before `end`, and whether they are not before `start`."""
    place = end[:, None] - 1 - torch.arange(length)
    return place.clamp(min=0), place >= start[:, None]


def _draw_alternatives(
    time: Int64[Tensor, " n"], targets: Int64[Tensor, " m"], n_alternatives: int, generator: torch.Generator
) -> Int64[Tensor, "m n_alternatives"]:
    """Draw events near each target in time, from all events in order of time."""
    by_time = torch.argsort(time, stable=True)
    rank = torch.empty_like(by_time)
    rank[by_time] = torch.arange(len(by_time))
    reach = min(len(time), max(_LEAST_WINDOW, round(_WINDOW * len(time))))
    low = (rank[targets] - reach).clamp(min=0)
    high = (rank[targets] + reach).clamp(max=len(time) - 1)
    share = torch.rand(len(targets), n_alternatives, generator=generator, dtype=torch.float64)
    return by_time[(low[:, None] + share * (high - low + 1)[:, None]).long()]


def _had_before(
    user: Int64[Tensor, " n"],
    item: Int64[Tensor, " n"],
    n_items: int,
    targets: Int64[Tensor, " m"],
    asked: Int64[Tensor, "m candidates"],
) -> Bool[Tensor, "m candidates"]:
    """Whether the user of each target had the items before the target."""
    keys, by_key = torch.sort(user * n_items + item, stable=True)  # ties in order of time
    wanted = user[targets][:, None] * n_items + asked
    found = torch.searchsorted(keys, wanted).clamp(max=len(keys) - 1)
    return (keys[found] == wanted) & (by_key[found] < targets[:, None])
