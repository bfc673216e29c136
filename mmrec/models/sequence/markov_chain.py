"""Markov chain: the next item by what followed the last one."""

import numpy as np
import torch
from scipy.sparse import coo_array, csr_array

from mmrec.data.interactions.histories import Histories
from mmrec.models.sequence.last_item import LastItemRecommender


class MarkovChain(LastItemRecommender):
    """Scores an item by how often it followed the user's last item: `Σ decay^(d - 1) / Σ_j …` over pairs at a distance d up to `window`.

    With a window of 1 it is the maximum-likelihood Markov chain of first order (as in Rendle et al. 2010, FPMC, §3); longer windows are
    sequential rules (Kamehkhosh et al. 2017), which help where data are sparse.

    Args:
        window: the largest distance of two events that count.
        decay: the factor by which a pair counts less for each event in between.
    """

    def __init__(self, window: int = 1, decay: float = 0.5) -> None:
        super().__init__()
        if window < 1 or not 0 < decay <= 1:
            raise ValueError(f"window, decay: expected at least 1 and above 0 up to 1, found {window} and {decay}")
        self.window, self.decay = window, decay

    def transitions(self, histories: Histories, n_items: int) -> csr_array:
        items, owner = histories.item_idx, torch.repeat_interleave(torch.arange(len(histories)), histories.n_events)
        total = csr_array((n_items, n_items), dtype=np.float64)
        for distance in range(1, self.window + 1):
            together = owner[distance:] == owner[:-distance]
            before, after = items[:-distance][together].numpy(), items[distance:][together].numpy()
            counts = coo_array((np.full(len(before), self.decay ** (distance - 1)), (before, after)), shape=(n_items, n_items))
            total = total + counts.tocsr()
        of_row = np.asarray(total.sum(axis=1))
        total.data /= np.repeat(of_row, np.diff(total.indptr))
        return total
