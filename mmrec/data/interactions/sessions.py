"""Sessions: a user's interactions without a long pause between them, such as fifty ratings in one evening."""

from typing import NamedTuple

import torch
from jaxtyping import Int64
from torch import Tensor

DAY_S, HOUR_S = 86_400, 3_600


class Sessions(NamedTuple):
    """The session of every event."""

    number: Int64[Tensor, " n"]
    """Sessions are numbered from 0, in the order of users, then of time."""
    start: Int64[Tensor, " n"]
    """The time of the first event of the session, in seconds UTC."""


def find_sessions(user_idx: Int64[Tensor, " n"], timestamp: Int64[Tensor, " n"], gap_hours: float) -> Sessions:
    """Divide the events of every user into sessions; a new one starts after a pause of more than `gap_hours`."""
    if not len(user_idx):
        return Sessions(user_idx, timestamp)
    order = torch.argsort(timestamp, stable=True)
    order = order[torch.argsort(user_idx[order], stable=True)]
    user, time = user_idx[order], timestamp[order]
    is_first = torch.ones_like(user, dtype=torch.bool)
    is_first[1:] = (user[1:] != user[:-1]) | (time.diff() > gap_hours * HOUR_S)
    number = is_first.cumsum(0) - 1
    found = Sessions(torch.empty_like(number), torch.empty_like(time))
    found.number[order], found.start[order] = number, time[is_first][number]
    return found
