"""Exact order statistics of a stream of numbers, without sorting or storing it: histograms, refined in repeated passes."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import polars as pl

from mmrec.data.tables.aggregates import maximum, minimum

_BINS, _FEW, _AT_ONCE = 2**16, 2**16, 2**20


def order_statistics(values: Callable[[], Iterator[pl.Series]], ranks: Sequence[int]) -> list[int | float]:
    """The values at `ranks`, counted from 0, of all numbers in sorted order.

    Args:
        values: returns the stream in pieces; called several times. Memory is bounded by about 10^6 numbers, whatever their count. No nulls.
        ranks: the ranks wanted.
    """
    ends = [(minimum(some), maximum(some)) for some in values() if len(some)]
    low, high = min(one for one, _ in ends), max(one for _, one in ends)
    bins = np.zeros(_BINS, dtype=np.int64)
    for some in _between(values, low, high):
        bins += np.bincount(_bin(some, low, high), minlength=_BINS)
    return [_search(values, rank, low, high, bins) if rank else low for rank in ranks]


def _search(values: Callable[[], Iterator[pl.Series]], rank: int, low: float, high: float, bins: np.ndarray) -> int | float:
    """The value at a rank among those from `low` to `high`, given their histogram `bins`."""
    while low < high:
        above = np.cumsum(bins)
        place = int(np.searchsorted(above, rank, side="right"))
        rank -= int(above[place] - bins[place])
        members = [some[_bin(some, low, high) == place] for some in _between(values, low, high)] if bins[place] <= _FEW else []
        if members:
            found: int | float = np.sort(np.concatenate(members))[rank].item()
            return found
        low, high = _ends_of_bin(values, place, low, high)
        bins = np.zeros(_BINS, dtype=np.int64)
        for some in _between(values, low, high):
            bins += np.bincount(_bin(some, low, high), minlength=_BINS)
    return low


def _ends_of_bin(values: Callable[[], Iterator[pl.Series]], place: int, low: float, high: float) -> tuple[float, float]:
    ends = [
        (inside.min().item(), inside.max().item())
        for some in _between(values, low, high)
        if len(inside := some[_bin(some, low, high) == place])
    ]
    return min(one for one, _ in ends), max(one for _, one in ends)


def _between(values: Callable[[], Iterator[pl.Series]], low: float, high: float) -> Iterator[np.ndarray]:
    for piece in values():
        for some in piece.to_frame().iter_slices(_AT_ONCE):
            numbers = some.to_series().to_numpy()
            inside = (numbers >= low) & (numbers <= high)
            yield numbers if inside.all() else numbers[inside]


def _bin(numbers: np.ndarray, low: float, high: float) -> np.ndarray:
    """The bin of each number; `low` falls into the first bin and `high` into the last."""
    scale = (_BINS - 1) / (high - low) if high > low else 0.0
    return ((numbers - low) * scale).astype(np.int64).clip(0, _BINS - 1)
