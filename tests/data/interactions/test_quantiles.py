"""The k-th smallest of numbers in pieces is that of all of them, sorted."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmrec.data.interactions import quantiles as select
from mmrec.data.interactions.quantiles import order_statistics

NUMBERS = st.lists(st.one_of(st.integers(-5, 5), st.integers(-(10**11), 10**11)), min_size=1, max_size=40)


@given(NUMBERS, st.integers(1, 7), st.data())
def test_it_is_what_sorting_gives(numbers: list[int], size: int, data: st.DataObject) -> None:
    pieces = [pl.Series(numbers[start : start + size], dtype=pl.Int64) for start in range(0, len(numbers), size)]
    ranks = data.draw(st.lists(st.integers(0, len(numbers) - 1), min_size=1, max_size=3))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(select, "_BINS", 4)
        patch.setattr(select, "_FEW", 2)
        patch.setattr(select, "_AT_ONCE", 5)
        assert order_statistics(lambda: iter([*pieces, pl.Series([], dtype=pl.Int64)]), ranks) == [sorted(numbers)[rank] for rank in ranks]


def test_many_equal_numbers_and_one_far_away() -> None:
    numbers = np.r_[np.full(200_000, 7), np.arange(100), 2**40]
    assert order_statistics(lambda: iter([pl.Series(numbers)]), [0, 7, 150_000, len(numbers) - 1]) == [0, 7, 7, 2**40]
