"""Which of a user's items a recommendation rests on: the smallest part of the history without which it would not be made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mmrec.data.interactions.histories import Histories
from mmrec.explain.evidence import lead_of
from mmrec.models.recommender import TrainedScorer

MAX_REMOVED = 10
"""The largest number of items that are removed before the search ends."""
CLEARANCE = 0.1
"""How far below the list the item must fall in the explanations of a run, in standard deviations of the user's scores. With an
earlier search, training again confirmed nine of ten sets of MovieLens-100K with it, and six of ten without."""
_N_TRIED, _N_COMBINED = 10, 6


@dataclass(frozen=True)
class HistoryReason:
    """What a recommendation owes to the history."""

    effects: tuple[tuple[int, float], ...]
    """Each item of the history, and how much the lead of the recommended item (`lead_of`) falls without it; largest first."""
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
    clearance: float = 0.0,
) -> HistoryReason:
    """Find a smallest set of items of the history whose removal takes an item out of the list of the k best.

    In each step the item is removed without which the recommended one stands lowest; in the end those that turn out to be unnecessary are
    put back. If three or more are left, all smaller sets of the items with the largest effects are tried as well. The set is minimal, no
    proper subset of it suffices in this order, but a smaller one of other items may exist.

    Args:
        scorer: a model that scores histories.
        history: the items of the user, oldest first, each once.
        item_idx: the recommended item.
        excluded: the items that are never recommended to the user, such as those of the history.
        k: the length of the list.
        max_removed: the largest number of items to remove.
        times: the time of each item of the history in seconds UTC; None if they are not known.
        clearance: how far below the last item of the list the recommended one must fall, in standard deviations of the user's scores. A
            model that is trained again without the items has slightly other scores, which a set with clearance withstands.

    Raises:
        ValueError: the clearance is negative.
    """
    if clearance < 0:
        raise ValueError(f"clearance: expected at least 0, found {clearance}")
    margin = _Margin(scorer, item_idx, excluded, k, times, clearance)
    single = _without_each(margin, history)
    if not single.is_listed or len(history) < 2:
        return HistoryReason(single.effects, (), None)
    removed = single.order[:1] if single.one_suffices else _greedy(margin, history, single.order, max_removed)
    if not removed:
        return HistoryReason(single.effects, (), None)
    needed = _smaller(margin, history, single.order, _necessary(margin, history, removed))
    return HistoryReason(single.effects, needed, margin.replacement(history, needed))


class _Single(NamedTuple):
    """What changes without each single item."""

    effects: tuple[tuple[int, float], ...]
    order: list[int]
    """The items, first that without which the margin is smallest."""
    one_suffices: bool
    """Whether the recommended item leaves the list without the first of them."""
    is_listed: bool
    """Whether the recommended item is in the list with all of them."""


def _without_each(margin: "_Margin", history: Sequence[int]) -> _Single:
    leads, margins = margin.leads_and_margins([list(history), *([one for one in history if one != gone] for gone in history)])
    is_listed = bool(margins[0] >= margin.clearance)  # the margin itself is at least 0
    falls = leads[0] - leads[1:] if len(history) > 1 else torch.zeros(len(history))
    effects = sorted(zip(history, falls.tolist(), strict=True), key=lambda one: -one[1])
    order = [history[at] for at in margins[1:].argsort(stable=True).tolist()]
    return _Single(tuple(effects), order, bool((margins[1:] < 0).any()), is_listed)


def _greedy(margin: "_Margin", history: Sequence[int], order: Sequence[int], max_removed: int) -> list[int]:
    """The items removed one by one until the recommended one is not in the list; none if that takes too many.

    The first does not suffice. In each further step, the `_N_TRIED` next ones in the order are tried.
    """
    removed = [order[0]]
    kept = [one for one in history if one != order[0]]
    while len(kept) > 1 and len(removed) < max_removed:
        tried = [one for one in order if one not in removed][:_N_TRIED]
        margins = margin.of([[one for one in kept if one != gone] for gone in tried])
        removed.append(tried[int(margins.argmin())])
        kept.remove(removed[-1])
        if margins.min() < 0:
            return removed
    return []


def _smaller(margin: "_Margin", history: Sequence[int], order: Sequence[int], found: tuple[int, ...]) -> tuple[int, ...]:
    """The smallest set of two or three of the first `_N_COMBINED` items that is smaller than the one found and suffices; else that one."""
    for size in range(2, min(len(found), 4)):
        sets = list(combinations(order[:_N_COMBINED], size))
        margins = margin.of([[one for one in history if one not in gone] for gone in sets])
        if len(history) > size and margins.min() < 0:
            return sets[int(margins.argmin())]
    return found


def _necessary(margin: "_Margin", history: Sequence[int], removed: Sequence[int]) -> tuple[int, ...]:
    """The removed items without those whose return leaves the recommended item outside the list."""
    needed = list(removed)
    for one in removed[:-1]:
        fewer = [other for other in needed if other != one]
        if fewer and float(margin.of([[item for item in history if item not in fewer]])) < 0:
            needed = fewer
    return tuple(needed)


class _Margin:
    """The margin of an item over the best one that would be outside the list with it: negative if it is not in the list.

    It is in standard deviations of the user's scores, and raised by the clearance.
    """

    def __init__(
        self,
        scorer: TrainedScorer,
        item_idx: int,
        excluded: Bool[Tensor, " n_items"],
        k: int,
        times: Mapping[int, int] | None,
        clearance: float,
    ) -> None:
        self.scorer, self.item_idx, self.k, self.times, self.clearance = scorer, item_idx, k, times, clearance
        self.excluded = excluded.clone()
        self.excluded[item_idx] = True

    def of(self, histories: Sequence[Sequence[int]]) -> Float[Tensor, " n"]:
        return self.leads_and_margins(histories)[1]

    def leads_and_margins(self, histories: Sequence[Sequence[int]]) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
        scores, others = self._scores(histories)
        rivals = others.topk(min(self.k, others.shape[1]), dim=1).values[:, -1]
        deviation = scores.std(dim=1, correction=0).clamp(min=1e-12)
        leads = lead_of(scores, torch.arange(len(scores)), torch.full((len(scores),), self.item_idx))
        return leads, (scores[:, self.item_idx] - rivals) / deviation + self.clearance

    def replacement(self, history: Sequence[int], removed: Sequence[int]) -> int | None:
        """The item in the list of the shorter history that is not in that of the whole."""
        _, others = self._scores([[one for one in history if one not in removed], list(history)])
        listed = others.topk(min(self.k, others.shape[1]), dim=1).indices
        before = set(listed[1, : self.k - 1].tolist())
        return next((one for one in listed[0].tolist() if one not in before), None)

    def _scores(self, histories: Sequence[Sequence[int]]) -> tuple[Float[Tensor, "n n_items"], Float[Tensor, "n n_items"]]:
        """The scores of all items, and those of the items that compete with the recommended one."""
        scores = score_lists(self.scorer, histories, self.times)
        return scores, scores.masked_fill(self.excluded, -torch.inf)


def score_lists(
    scorer: TrainedScorer, histories: Sequence[Sequence[int]], times: Mapping[int, int] | None
) -> Float[Tensor, "n_histories n_items"]:
    """Return the scores of all items for histories given as lists of items.

    Args:
        scorer: a model that scores histories.
        histories: the items of each, oldest first.
        times: the time of each item in seconds UTC; None if they are not known.
    """
    given = Histories.from_lists(histories)
    if times is not None:
        given = replace(given, timestamp=torch.tensor([times[one] for one in given.item_idx.tolist()], dtype=torch.int64))
    return scorer.score_histories(given)
