"""Keep a fraction of the training part, to measure how models do with few interactions."""

from dataclasses import replace

import numpy as np

from mmrec.data.interactions.split import Split
from mmrec.errors import ConfigError


def keep_train_share(split: Split, share: float, seed: int = 0) -> Split:
    """Keep random rows of the training part, at least one; with one seed, those of a smaller fraction are among those of a larger one.

    The other rows are removed from the data: models do not see them, and rankings do not leave them out.

    Args:
        split: the whole split.
        share: the fraction of the training rows to keep.
        seed: of the selection.

    Raises:
        ConfigError: `share` is not above 0 and at most 1.
    """
    if not 0 < share <= 1:
        raise ConfigError(f"train_share: expected a fraction above 0 and at most 1, found {share}")
    if share == 1:
        return split
    n = max(1, round(share * len(split.train)))
    rows = np.sort(np.random.default_rng(seed).permutation(len(split.train))[:n])
    note = f"{n:,} of {len(split.train):,} rows of train are kept, the others removed (train_share={share:g})"
    return replace(split, train=split.train[rows], notes=(*split.notes, note))
