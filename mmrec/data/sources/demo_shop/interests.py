"""Interests that decay, planted in the synthetic shop: what users chose before determines what they choose next, the less the older it is.

In a shop with half-lives, the part of utility that texts show is not a fixed taste. For item i of use v_i and a session that starts at t:

    INTEREST * Σ_j w_j [v_j = v_i] / Σ_j w_j + THEME * [v_i = theme of the session],    w_j = 2^-(t - t_j) / half-life,

where j runs over the user's choices in earlier sessions, which started at t_j. The theme of a session is random. Users belong to groups at
random; each group has a half-life.
"""

import numpy as np
from jaxtyping import Bool, Float, Int64

INTEREST, THEME, TASTE_SHARE = 1.2, 0.5, 0.3
JOINED_SHARE = 0.3
"""The share of choices in the same session as the one before."""
SESSION_GAP_SECONDS = 6 * 3600
_SECONDS_A_CHOICE = 180
_DAY_S = 86_400


class Interests:
    """The interests of all users while the log is simulated.

    Args:
        half_life_days: of each group of users.
        value_of_item: the use of every item.
        n_users: the number of users.
        rng: the source of randomness.
    """

    def __init__(
        self, half_life_days: list[float], value_of_item: Int64[np.ndarray, " n_items"], n_users: int, rng: np.random.Generator
    ) -> None:
        self.value_of_item, self.rng = value_of_item, rng
        self.group: Int64[np.ndarray, " n_users"] = rng.integers(len(half_life_days), size=n_users)
        self._half_life_s = np.asarray(half_life_days)[self.group] * _DAY_S
        n_values = int(value_of_item.max()) + 1
        self._before, self._now = np.zeros((2, n_users, n_values))
        self._start = np.full(n_users, -1)
        self._theme = np.zeros(n_users, dtype=np.int64)
        self._session_start = np.zeros(0, dtype=np.int64)

    def gather(self, user_idx: Int64[np.ndarray, " n"], timestamp: Int64[np.ndarray, " n"], end: int) -> Int64[np.ndarray, " n"]:
        """Move some visits to the session of the one before, and return the times; both are sorted by user, then time."""
        first = np.r_[True, user_idx[1:] != user_idx[:-1]]
        joins = ~first & (self.rng.random(len(user_idx)) < JOINED_SHARE)
        place = np.arange(len(user_idx))
        start = np.maximum.accumulate(np.where(joins, 0, place))
        moved = np.minimum(timestamp[start] + _SECONDS_A_CHOICE * (place - start), end - 1)
        moved = moved[np.lexsort((moved, user_idx))]
        is_new: Bool[np.ndarray, " n"] = first | (np.diff(moved, prepend=0) > SESSION_GAP_SECONDS)
        self._session_start = moved[np.maximum.accumulate(np.where(is_new, place, 0))]
        return moved

    def utility(self, rows: Int64[np.ndarray, " batch"], users: Int64[np.ndarray, " batch"]) -> Float[np.ndarray, "batch n_items"]:
        """Return what interests add to the utility of every item for the users of some visits, one visit a user, in order of time."""
        start = self._session_start[rows]
        begins = start != self._start[users]
        who, age = users[begins], (start - self._start[users])[begins]
        kept = np.where(self._start[who] < 0, 0.0, 2.0 ** (-age / self._half_life_s[who]))
        self._before[who] = (self._before[who] + self._now[who]) * kept[:, None]
        self._now[who] = 0
        self._theme[who] = self.rng.integers(self._now.shape[1], size=len(who))
        self._start[who] = start[begins]
        total = self._before[users].sum(axis=1, keepdims=True)
        share = np.divide(self._before[users], total, out=np.zeros_like(self._before[users]), where=total > 0)
        of_value = INTEREST * share
        of_value[np.arange(len(users)), self._theme[users]] += THEME
        found: np.ndarray = of_value[:, self.value_of_item].astype(np.float32)
        return found

    def remember(self, users: Int64[np.ndarray, " batch"], items: Int64[np.ndarray, " batch"]) -> None:
        """Add what the users chose."""
        self._now[users, self.value_of_item[items]] += 1
