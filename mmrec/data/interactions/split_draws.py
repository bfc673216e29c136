"""Random parts of rows, and the parts of rows by their distance from the last one."""

import numpy as np
import polars as pl
from jaxtyping import Float, Int64

from mmrec.types import TIMESTAMP, USER_ID

PART = "__part__"
"""The column that a rule adds: the index of a row's part in `PARTS`."""
FROM_END, N_ROWS = "__from_end__", "__n__"
"""The columns of a row's distance from the last one (0), and of the number of rows."""


class Draw:
    """Random assignment of consecutive rows to parts, without access to the rows."""

    def __init__(self, n: int, seed: int) -> None:
        self._from_end: Int64[np.ndarray, " n"] = np.random.default_rng(seed).permutation(n)
        self._start = 0

    def parts(self, n: int, valid_ratio: float, test_ratio: float) -> pl.Series:
        """The parts of the next `n` rows."""
        some = self._from_end[self._start : self._start + n]
        self._start += n
        return self._parts(some, valid_ratio, test_ratio)

    def all_parts(self, valid_ratio: float, test_ratio: float) -> pl.Series:
        """The parts of all rows."""
        return self._parts(self._from_end, valid_ratio, test_ratio)

    def _parts(self, from_end: Int64[np.ndarray, " n"], valid_ratio: float, test_ratio: float) -> pl.Series:
        rows = pl.LazyFrame({FROM_END: from_end}).with_columns(pl.lit(len(self._from_end)).alias(N_ROWS))
        return rows.select(part_by_ratio(valid_ratio, test_ratio).cast(pl.Int64)).collect().to_series()


def part_by_ratio(valid_ratio: float, test_ratio: float) -> pl.Expr:
    """An expression for the part of a row: the last round(n * test_ratio) of a user's n rows are test, the last round(n * (valid_ratio +
    test_ratio)) are held out, and the first always trains.
    """
    middle, tolerance = pl.col(FROM_END) + 0.5, 1e-9  # a row belongs to a part if its midpoint does, which rounds half up
    is_test = middle <= pl.col(N_ROWS) * test_ratio + tolerance
    is_held_out = middle <= pl.col(N_ROWS) * (valid_ratio + test_ratio) + tolerance
    is_first = pl.col(FROM_END) == pl.col(N_ROWS) - 1
    return pl.when(is_first | ~is_held_out).then(0).when(is_test).then(2).otherwise(1).alias(PART)


def give_first(marked: pl.DataFrame, n_given: int, ties: Float[np.ndarray, " n"]) -> pl.DataFrame:
    """Move the first rows of each user to train: the oldest, ties and rows without times in a random order."""
    user = marked[USER_ID].rle_id()
    keys = [user, *([marked[TIMESTAMP]] if TIMESTAMP in marked.columns else []), pl.Series(ties)]
    order = marked.select(pl.arg_sort_by(*keys, nulls_last=True)).to_series().to_numpy()
    n = marked[USER_ID].rle().struct.field("len").cast(pl.Int64)
    place = np.empty(len(marked), dtype=np.int64)
    place[order] = np.arange(len(marked)) - (n.cum_sum() - n).gather(user).to_numpy()  # users keep their range of positions
    return marked.with_columns(pl.when(pl.Series(place) < n_given).then(0).otherwise(pl.col(PART)).alias(PART))
