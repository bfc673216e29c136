"""Dictionary-encode text columns that are read in pieces: codes in order of first occurrence, and ranks in text order afterwards."""

import numpy as np
import polars as pl


class DictionaryEncoder:
    """Dictionary encoding of a column that is read in pieces. Memory is linear in the distinct texts."""

    def __init__(self) -> None:
        self._categories = pl.Categories.random()
        self._held = pl.Series(dtype=pl.Categorical(self._categories))  # Polars frees categories that no column uses

    def encode(self, texts: pl.Series) -> pl.Series:
        """The code (UInt32) of each text: the number of distinct texts that occurred before it."""
        return texts.cast(pl.Categorical(self._categories)).to_physical()

    @property
    def texts(self) -> pl.Series:
        """The distinct texts in the order of their codes."""
        return self._categories.to_series().cast(pl.String)


class TextOrder:
    """The ranks of dictionary-encoded texts, so that numbers sort and compare as the texts do."""

    def __init__(self, texts: pl.Series) -> None:
        order = texts.arg_sort().to_numpy()
        ranks = np.empty(len(texts), dtype=np.uint32)
        ranks[order] = np.arange(len(texts), dtype=np.uint32)
        self._ranks, self._sorted = pl.Series(ranks), texts.gather(order)

    def ranks(self, numbers: pl.Series) -> pl.Series:
        """The ranks (UInt32) of the texts with these codes."""
        return self._ranks.gather(numbers).alias(numbers.name)

    def texts(self, ranks: pl.Series) -> pl.Series:
        """The texts with these ranks."""
        return self._sorted.gather(ranks).alias(ranks.name)
