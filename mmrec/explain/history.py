"""Which of a user's items a recommendation rests on: the smallest part of the history without which it would not be made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mmrec.data.interactions.histories import Histories
from mmrec.models.recommender import TrainedScorer

MAX_REMOVED = 10
"""The largest number of items that are removed before the search ends."""


@dataclass(frozen=True)
class HistoryReason:
    """What a recommendation owes to the history."""

    effects: tuple[tuple[int, float], ...]
    """Each item of the history, and how much the lead of the recommended item over the first one outside the list falls without it;
    largest first."""
    removed: tuple[int, ...]
    """The items without which the recommended one would not be in the list; empty if none were found, or if it is not in the list."""
    replacement: int | None
    """The item that would be in the list instead."""


def explain_by_history(
    scorer: TrainedScorer,
    history: Sequence[int],
    item_idx: int,
    excluded: Bool[Tensor, " n_items"],
    k: int,
    max_removed: int = MAX_REMOVED,
    times: Mapping[int, int] | None = None,
) -> HistoryReason:
    """Find a smallest set of items of the history whose removal takes an item out of the list of the k best.

    In each step the item is removed without which the recommended one stands lowest; in the end those that turn out to be unnecessary are
    put back. The set is minimal, no proper subset of it suffices in this order, but a smaller one of other items may exist.

    Args:
        scorer: a model that scores histories.
        history: the items of the user, oldest first, each once.
        item_idx: the recommended item.
        excluded: the items that are never recommended to the user, such as those of the history.
        k: the length of the list.
        max_removed: the largest number of items to remove.
        times: the time of each item of the history in seconds UTC; None if they are not known.
    """
    lead = _Lead(scorer, item_idx, excluded, k, times)
    effects = _effects(lead, history)
    if float(lead.of([list(history)])) < 0:
        return HistoryReason(effects, (), None)
    kept, removed = list(history), list[int]()
    while len(kept) > 1 and len(removed) < max_removed:
        without = [[one for one in kept if one != gone] for gone in kept]
        leads = lead.of(without)
        lowest = int(leads.argmin())
        removed.append(kept[lowest])
        kept = without[lowest]
        if leads[lowest] < 0:
            needed = _necessary(lead, history, removed)
            return HistoryReason(effects, needed, lead.replacement(history, needed))
    return HistoryReason(effects, (), None)


def _effects(lead: "_Lead", history: Sequence[int]) -> tuple[tuple[int, float], ...]:
    if len(history) < 2:
        return tuple((one, 0.0) for one in history)
    whole = lead.of([list(history)])
    without = lead.of([[one for one in history if one != gone] for gone in history])
    falls = torch.where(whole.isinf(), 0.0, whole - without)  # infinite if the list is longer than what there is to recommend
    found = zip(history, falls.tolist(), strict=True)
    return tuple(sorted(found, key=lambda one: -one[1]))


def _necessary(lead: "_Lead", history: Sequence[int], removed: Sequence[int]) -> tuple[int, ...]:
    """The removed items without those whose return leaves the recommended item outside the list."""
    needed = list(removed)
    for one in removed[:-1]:
        fewer = [other for other in needed if other != one]
        if fewer and float(lead.of([[item for item in history if item not in fewer]])) < 0:
            needed = fewer
    return tuple(needed)


class _Lead:
    """The lead of an item over the best one that would be outside the list with it: negative if it is not in the list."""

    def __init__(
        self, scorer: TrainedScorer, item_idx: int, excluded: Bool[Tensor, " n_items"], k: int, times: Mapping[int, int] | None
    ) -> None:
        self.scorer, self.item_idx, self.k, self.times = scorer, item_idx, k, times
        self.excluded = excluded.clone()
        self.excluded[item_idx] = True

    def of(self, histories: Sequence[Sequence[int]]) -> Float[Tensor, " n"]:
        scores, others = self._scores(histories)
        return scores[:, self.item_idx] - others.topk(min(self.k, others.shape[1]), dim=1).values[:, -1]

    def replacement(self, history: Sequence[int], removed: Sequence[int]) -> int | None:
        """The item in the list of the shorter history that is not in that of the whole."""
        _, others = self._scores([[one for one in history if one not in removed], list(history)])
        listed = others.topk(min(self.k, others.shape[1]), dim=1).indices
        before = set(listed[1, : self.k - 1].tolist())
        return next((one for one in listed[0].tolist() if one not in before), None)

    def _scores(self, histories: Sequence[Sequence[int]]) -> tuple[Float[Tensor, "n n_items"], Float[Tensor, "n n_items"]]:
        """The scores of all items, and those of the items that compete with the recommended one."""
        given = Histories.from_lists(histories)
        if self.times is not None:
            given = replace(given, timestamp=torch.tensor([self.times[one] for one in given.item_idx.tolist()], dtype=torch.int64))
        scores = self.scorer.score_histories(given)
        return scores, scores.masked_fill(self.excluded, -torch.inf)
