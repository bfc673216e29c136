"""Explain the recommendations of a finished run: what is found by `mmrec.explain`, with ids and titles."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import polars as pl
import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from mmrec.data.interactions.histories import Histories
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.errors import ConfigError
from mmrec.experiment.evaluate import Restored
from mmrec.experiment.run.ids import mask_of
from mmrec.experiment.run.scorers import takes_histories
from mmrec.explain.evidence import EvidenceExplainer, lead_of
from mmrec.explain.explanation import EvidenceReason, Explanation, ItemReason, PathReason
from mmrec.explain.history import CLEARANCE, explain_by_history, score_lists
from mmrec.explain.paths import GraphPath, PathFinder, without_path
from mmrec.explain.sentences import check_language, with_sentences
from mmrec.models.recommender import TrainedScorer
from mmrec.types import ITEM_ID, KG, Graph

N_SHOWN = 3
"""The number of items of the history and of paths in an explanation."""


class RunExplainer:
    """Explains the scores of the model of a run's first seed. What it was trained on is in memory.

    Args:
        restored: the model, with what it was trained on.
        items: the items in the order of the model: `item_id`, and the title.
        seen: the interactions of all parts, which are never recommended.
    """

    def __init__(self, restored: Restored, items: pl.DataFrame, seen: InteractionMatrix) -> None:
        self.restored, self.seen = restored, seen
        self.scorer = restored.model.freeze()
        self.item_ids: list[str] = items[ITEM_ID].to_list()
        titles = items[:, 1].cast(pl.String).to_list() if items.width > 1 else [None] * len(items)
        self.titles = [title or name for title, name in zip(titles, self.item_ids, strict=True)]
        self._takes_histories = takes_histories(self.scorer)
        self._histories = Histories.from_events(restored.spec.train, restored.spec.n_users)

    def explain(self, user_id: str, user_idx: int, item_idx: Sequence[int] | None, k: int, language: str) -> list[Explanation]:
        """Explain some items, or the k best ones, for a user.

        Raises:
            ConfigError: the user has had an item, or there are no templates in the language.
        """
        check_language(language)
        row = torch.tensor([user_idx])
        excluded = mask_of(self.seen.rows(row)[1], len(self.item_ids))
        history = self._history(row)
        scores = self.scorer.score_users(row)[0].masked_fill(excluded, -torch.inf)
        order = scores.argsort(descending=True, stable=True)
        if item_idx is None:
            item_idx = order[: min(k, int((~excluded).sum()))].tolist()
        for one in item_idx:
            if excluded[one]:
                raise ConfigError(
                    f"item: user {user_id} has had `{self.item_ids[one]}`, which is not recommended again; choose another item"
                )
        places = torch.empty_like(order)
        places[order] = torch.arange(len(order))
        chosen = torch.tensor(item_idx, dtype=torch.int64)
        found = [
            Explanation(user_id, self.item_ids[one], self.titles[one], float(scores[one]), int(places[one]) + 1, k=k) for one in item_idx
        ]
        evidence, by_history = self._evidence(user_idx, chosen), self._is_listed_by_history(history, order, excluded, k)
        return [
            with_sentences(
                replace(
                    one,
                    evidence=reasons,
                    **self._of_history(history, item, excluded, k, by_history),
                    paths=self._paths(user_idx, history, item),
                ),
                language,
            )
            for one, item, reasons in zip(found, item_idx, evidence, strict=True)
        ]

    @cached_property
    def finder(self) -> PathFinder:
        """The paths in the graph that the model was trained on."""
        assert self.restored.spec.graph is not None
        return PathFinder(self.restored.spec.graph)

    def path_effect(self, path: GraphPath, user_idx: int, item_idx: int) -> float:
        """Return how much the lead of an item (`lead_of`) falls if the model sees the graph without a path."""
        spec = self.restored.spec
        assert spec.graph is not None
        changed = self.restored.remade(replace(spec, graph=without_path(spec.graph, path))).freeze()
        before, after = (_lead(scorer, user_idx, item_idx) for scorer in (self.scorer, changed))
        return before - after

    def _evidence(self, user_idx: int, item_idx: Int64[Tensor, " n"]) -> list[tuple[EvidenceReason, ...]]:
        if self._explainer is None:
            return [()] * len(item_idx)
        shares = self._explainer.shares(torch.full_like(item_idx, user_idx), item_idx)
        raised = shares.values.clamp(min=0)
        parts = raised / raised.sum(dim=1, keepdim=True).clamp(min=1e-12)
        found = []
        for values, share, attention in zip(shares.values.tolist(), parts.tolist(), shares.attention.tolist(), strict=True):
            reasons = map(EvidenceReason, shares.modalities, values, share, attention)
            found.append(tuple(sorted(reasons, key=lambda one: -one.value)))
        return found

    def _history(self, user_idx: Int64[Tensor, " 1"]) -> dict[int, int | None]:
        """The items of a user, oldest first, each at its last time, which is None if times are not known."""
        found, last = self._histories.of(user_idx), dict[int, int | None]()
        for at, item in enumerate(found.item_idx.tolist()):
            last.pop(item, None)
            last[item] = None if found.timestamp is None else int(found.timestamp[at])
        return last

    def _is_listed_by_history(
        self, history: Mapping[int, int | None], order: Int64[Tensor, " n_items"], excluded: Bool[Tensor, " n_items"], k: int
    ) -> bool:
        """Whether the history alone gives the same k best items as the model has for the user."""
        if not history or not self._takes_histories:
            return False
        k = min(k, int((~excluded).sum()))
        scores = score_lists(self.scorer, [list(history)], _known_times(history))[0].masked_fill(excluded, -torch.inf)
        return set(scores.topk(k).indices.tolist()) == set(order[:k].tolist())

    def _of_history(
        self, history: Mapping[int, int | None], item_idx: int, excluded: Bool[Tensor, " n_items"], k: int, is_listed_by_history: bool
    ) -> dict[str, Any]:
        if not history or not self._takes_histories:
            return {}
        found = explain_by_history(self.scorer, list(history), item_idx, excluded, k, times=_known_times(history), clearance=CLEARANCE)
        if not is_listed_by_history:  # the model ranks the user by more than the history, so its list without items is not known
            found = replace(found, removed=(), replacement=None)
        effects = dict(found.effects)
        return {
            "history": tuple(self._item(one, effect) for one, effect in found.effects[:N_SHOWN]),
            "removed": tuple(self._item(one, effects[one]) for one in found.removed),
            "replacement": None if found.replacement is None else self._item(found.replacement, 0.0),
        }

    def _item(self, item_idx: int, effect: float) -> ItemReason:
        return ItemReason(self.item_ids[item_idx], self.titles[item_idx], effect)

    def _paths(self, user_idx: int, history: Mapping[int, int | None], item_idx: int) -> tuple[PathReason, ...]:
        graph = self.restored.spec.graph
        if graph is None or KG not in self.restored.model.modalities:
            return ()
        found = [(path, self.path_effect(path, user_idx, item_idx)) for path in self.finder.paths(list(history), item_idx, N_SHOWN)]
        return tuple(self._path(graph, path, effect) for path, effect in sorted(found, key=lambda one: -one[1]))

    def _path(self, graph: Graph, path: GraphPath, effect: float) -> PathReason:
        names = graph.relations
        relations = tuple(
            names[edge.relation] if edge.head == source else f"^{names[edge.relation]}"
            for edge, source in zip(path.edges, path.entities, strict=False)
        )
        entities = tuple(graph.entities[one] for one in path.entities)
        return PathReason(self.item_ids[path.item_idx], self.titles[path.item_idx], entities, relations, effect)

    @cached_property
    def _explainer(self) -> EvidenceExplainer | None:
        try:
            return EvidenceExplainer(self.restored.model)
        except ConfigError:
            return None  # one kind of evidence


def _known_times(history: Mapping[int, int | None]) -> dict[int, int] | None:
    """The times of the items; None if they are not known."""
    return {item: time for item, time in history.items() if time is not None} or None


def _lead(scorer: TrainedScorer, user_idx: int, item_idx: int) -> float:
    return float(lead_of(scorer.score_users(torch.tensor([user_idx])), torch.tensor([0]), torch.tensor([item_idx])))
