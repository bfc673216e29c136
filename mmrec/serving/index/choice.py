"""Choose an index by the number of items, and measure what an approximate one misses."""

import logging
import time

import torch
from jaxtyping import Float
from torch import Tensor

from mmrec.errors import ConfigError, nearest
from mmrec.extras import is_installed
from mmrec.serving.index.exact import ExactIndex
from mmrec.serving.index.item_index import ItemIndex
from mmrec.serving.index.usearch_index import UsearchIndex

AUTO, EXACT, USEARCH = "auto", "exact", "usearch"
KINDS = (AUTO, EXACT, USEARCH)
MANY_ITEMS = 100_000
"""From here on, all inner products take longer than a search in a graph by more than it costs in recall."""
_N_USERS, _K = 64, 100
_log = logging.getLogger(__name__)


def choose_index(kind: str, users: Float[Tensor, "n_users dim"], items: Float[Tensor, "n_items dim"]) -> ItemIndex:
    """Build an index of item vectors, and log the recall and speed of an approximate one for some of the users.

    Args:
        kind: `exact`, `usearch`, or `auto`: usearch from `MANY_ITEMS` items on, if it is installed.
        users: vectors of users, which the recall is measured with.
        items: vectors of items.

    Raises:
        ConfigError: there is no such index.
        MissingExtra: usearch is not installed.
    """
    if kind not in KINDS:
        raise ConfigError(f"index: expected {', '.join(KINDS)}, found `{kind}`; {nearest(kind, KINDS)}")
    exact = ExactIndex(items)
    if kind == EXACT or (kind == AUTO and (len(items) < MANY_ITEMS or not is_installed("ann"))):
        return exact
    start = time.perf_counter()
    index = UsearchIndex(items)
    built_s = time.perf_counter() - start
    if len(users) and len(items):
        recall, ratio = compare(index, exact, users[:: max(1, len(users) // _N_USERS)][:_N_USERS])
        _log.info(
            f"index usearch: {len(items):,} items in {built_s:.0f} s, recall@{_K} {recall:.3f} of exact at {ratio:.1f} times its speed"
        )
    return index


def compare(index: ItemIndex, exact: ItemIndex, users: Float[Tensor, "n_users dim"], k: int = _K) -> tuple[float, float]:
    """The mean share of the exact `k` best items that an index finds, and how many times faster it is."""
    nothing = torch.zeros(0, dtype=torch.int64)
    shares, seconds = [], [0.0, 0.0]
    for vector in users:
        start = time.perf_counter()
        wanted = exact.search(vector, k, nothing)[1]
        middle = time.perf_counter()
        found = index.search(vector, k, nothing)[1]
        seconds = [seconds[0] + middle - start, seconds[1] + time.perf_counter() - middle]
        shares.append(float(torch.isin(wanted, found).float().mean()))
    return sum(shares) / len(shares), seconds[0] / max(seconds[1], 1e-9)
