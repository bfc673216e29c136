"""The dense core of interactions: users and items with few are left out, over and over until none is left."""

import polars as pl

from mmrec.data.ranks import distinct, positions
from mmrec.types import ITEM_ID, USER_ID


def k_core(interactions: pl.DataFrame, min_per_user: int, min_per_item: int) -> pl.DataFrame:
    """The largest part in which every user has at least so many different items, and every item so many different users; in order.

    It is the same whichever are left out first (Seidman, "Network structure and minimum degree", Social Networks 5(3), 1983).
    """
    numbers = {key: positions(interactions[key], distinct(interactions[key])) for key in (USER_ID, ITEM_ID)}
    codes = pl.DataFrame(numbers).with_row_index("row")
    pairs = codes.select(USER_ID, ITEM_ID).unique()
    while True:
        kept = pairs.filter(pl.len().over(USER_ID) >= min_per_user, pl.len().over(ITEM_ID) >= min_per_item)
        if len(kept) == len(pairs):
            return interactions[codes.join(pairs, on=[USER_ID, ITEM_ID], how="semi")["row"].sort()]
        pairs = kept
