"""Texts that come in pieces as numbers: first in the order of their coming, and, once all are known, in text order."""

import numpy as np
import polars as pl


class Interned:
    """The distinct texts of a column that is read in pieces. Takes memory for each text once, however often it occurs."""

    def __init__(self) -> None:
        self._categories = pl.Categories.random()
        self._held = pl.Series(dtype=pl.Categorical(self._categories))  # Polars forgets the texts that no column has

    def numbers(self, texts: pl.Series) -> pl.Series:
        """UInt32: of each text, how many others came before it first did."""
        return texts.cast(pl.Categorical(self._categories)).to_physical()

    @property
    def texts(self) -> pl.Series:
        """Every text once, by number."""
        return self._categories.to_series().cast(pl.String)


class TextOrder:
    """Interned texts as their ranks: sorted, compared and counted as the texts are."""

    def __init__(self, texts: pl.Series) -> None:
        order = texts.arg_sort().to_numpy()
        ranks = np.empty(len(texts), dtype=np.uint32)
        ranks[order] = np.arange(len(texts), dtype=np.uint32)
        self._ranks, self._sorted = pl.Series(ranks), texts.gather(order)

    def ranks(self, numbers: pl.Series) -> pl.Series:
        """UInt32: the ranks of the texts with these numbers."""
        return self._ranks.gather(numbers).alias(numbers.name)

    def texts(self, ranks: pl.Series) -> pl.Series:
        """The texts with these ranks."""
        return self._sorted.gather(ranks).alias(ranks.name)
