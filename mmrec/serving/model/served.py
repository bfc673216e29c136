"""The model of a run as it is served: one immutable object, of which every answer uses exactly one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, final

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from mmrec.data.features.item_inputs import PictureInputs
from mmrec.data.interactions.histories import Histories
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.errors import ConfigError
from mmrec.experiment.run.item_source import ItemContent
from mmrec.experiment.run.similarity import score_features
from mmrec.models.recommender import FrozenScorer, TrainedScorer
from mmrec.rerank.similarity import graph_features
from mmrec.serving.index.exact import best_of
from mmrec.serving.index.item_index import ItemIndex
from mmrec.serving.model.catalogue import Catalogue
from mmrec.serving.refusal import CANNOT_ANSWER, CANNOT_PLACE, Refused
from mmrec.types import COLLABORATIVE, IMAGE, KG, Features

if TYPE_CHECKING:
    from mmrec.experiment.evaluate import Restored
    from mmrec.experiment.run.placement import ItemPlacer
    from mmrec.experiment.run.search import RunSearch

ALL = "all"
Found = tuple[Float[Tensor, " n_found"], Int64[Tensor, " n_found"]]
"""Scores and item_idx, best first."""


class Taste(NamedTuple):
    """What items are compared with: a vector for the index, or the scores of all items."""

    vector: Float[Tensor, " dim"] | None
    scores: Float[Tensor, "1 n_items"] | None = None


@dataclass(frozen=True)
class Known:
    """What a run knows of its users, whatever the catalogue."""

    users: Mapping[str, int]
    """By user_id, user_idx."""
    history: Histories
    """The training part, oldest first."""
    seen: InteractionMatrix
    """All parts: what is not recommended again."""

    def past_of(self, user_idx: int) -> list[tuple[int, float | None]]:
        """The items of a user's training part and their times, oldest first."""
        rows = slice(int(self.history.indptr[user_idx]), int(self.history.indptr[user_idx + 1]))
        items, times = self.history.item_idx[rows].tolist(), self.history.timestamp
        return list(zip(items, [None] * len(items) if times is None else times[rows].tolist(), strict=True))

    def seen_by(self, user_idx: int) -> frozenset[int]:
        """The items of a user in all parts."""
        return frozenset(self.seen.indices[int(self.seen.indptr[user_idx]) : int(self.seen.indptr[user_idx + 1])].tolist())

    @cached_property
    def users_of_items(self) -> InteractionMatrix:
        """The same with items as rows."""
        users, items = self.seen.rows(torch.arange(self.seen.n_users))
        return InteractionMatrix.from_pairs(items, users, self.seen.n_items, self.seen.n_users)


@final
@dataclass(frozen=True)
class ServedModel:
    """A run's model with its catalogue and index. Nothing of it changes; other items or another run make another one."""

    version: str
    """Of the run, whatever the catalogue."""
    run: str
    """The name of the run folder."""
    name: str
    """The name of the model."""
    known: Known
    catalogue: Catalogue
    scorer: TrainedScorer
    of_histories: TrainedScorer | None
    """None if the model only scores users of its training part."""
    index: ItemIndex | None
    """None if the model has no vectors."""
    restored: "Restored | None" = None
    """The model with its data; None if these are not there, or not needed."""
    why_not_restored: str = ""
    make_index: Callable[[FrozenScorer], ItemIndex] | None = None
    search: "RunSearch | None" = None
    """What answers queries, if the run was trained to."""
    ranks: bool = True
    """Whether the model scores items for users; a run of `task=search` does for queries only."""
    added: Mapping[str, ItemContent] = field(default_factory=dict)
    """The items that were put, by item_id: those placed by content, and those of which only the fields changed."""
    base: "ServedModel | None" = None
    """The model before any item was put; None: this one."""
    features: dict[str, Float[Tensor, "n_items dim"]] = field(default_factory=dict)
    """Unit vectors by kind of similarity, computed when they are first needed."""

    @torch.no_grad()
    def taste_of_user(self, user_idx: int) -> Taste:
        """What a user of the run likes, as `Run.recommend` has it."""
        vectors = self.scorer.vectors()
        if vectors is not None:
            return Taste(vectors.users[user_idx])
        return Taste(None, self.scorer.score_users(torch.tensor([user_idx])))

    @torch.no_grad()
    def taste_of_history(self, item_idx: Sequence[int], timestamps: Sequence[float] | None = None) -> Taste:
        """What a user with a history likes, computed from it now.

        Args:
            item_idx: the items, oldest first.
            timestamps: when, seconds UTC; None if only the order is known.

        Raises:
            Refused: the model only scores users of its training part.
        """
        if self.of_histories is None:
            raise Refused(CANNOT_ANSWER, f"history: the model of {self.run} only scores users of its training part")
        one = Histories.from_lists([item_idx])
        times = None if timestamps is None else torch.tensor([int(time) for time in timestamps], dtype=torch.int64)
        given = Histories(one.indptr, one.item_idx, times)
        if isinstance(self.of_histories, FrozenScorer) and self.of_histories.fold_in is not None:
            return Taste(self.of_histories.fold_in(given)[0])
        return Taste(None, self.of_histories.score_histories(given))

    @torch.no_grad()
    def taste_of_similar(self, item_idx: Sequence[int]) -> Taste:
        """The mean similarity to the items of a history, for models that do not read histories."""
        vectors = self.unit_vectors(ALL)
        return Taste(None, (vectors[torch.tensor(item_idx)].mean(dim=0) @ vectors.T)[None])

    @torch.no_grad()
    def best(self, taste: Taste, k: int, excluded: Int64[Tensor, " n"], allowed: Bool[Tensor, " n_items"] | None) -> Found:
        """The k best items, see `ItemIndex.search`."""
        if taste.scores is not None:
            return best_of(taste.scores.clone(), k, excluded, allowed)
        assert taste.vector is not None and self.index is not None
        return self.index.search(taste.vector, k, excluded, allowed)

    @torch.no_grad()
    def scores(self, taste: Taste, item_idx: Int64[Tensor, " n"]) -> Float[Tensor, " n"]:
        """The scores of some items."""
        if taste.scores is not None:
            return taste.scores[0, item_idx]
        vectors = self.scorer.vectors()
        assert taste.vector is not None and vectors is not None
        return vectors.items[item_idx] @ taste.vector

    @torch.no_grad()
    def all_scores(self, taste: Taste) -> Float[Tensor, "1 n_items"]:
        """The scores of all items."""
        return self.scores(taste, torch.arange(len(self.catalogue)))[None]

    def picture(self, item_id: str) -> bytes | None:
        """The bytes of an item's picture; None if it has none, or it cannot be read."""
        put = self.added[item_id].shown if item_id in self.added else None
        if put is not None:
            try:
                return put.read()
            except ValueError:
                return None
        origin = self.origin
        inputs = None if origin.restored is None else origin.restored.evidence.inputs.get(IMAGE)
        if not isinstance(inputs, PictureInputs) or item_id not in origin.catalogue.places:
            return None
        try:
            return inputs.raw[origin.catalogue.places[item_id]]
        except ValueError:
            return None

    @property
    def places_items(self) -> bool:
        """Whether new items can be placed by their content."""
        try:
            return self.origin.placer is not None
        except Refused:
            return False

    @property
    def origin(self) -> "ServedModel":
        """The model before any item was put."""
        return self.base or self

    @cached_property
    def placer(self) -> "ItemPlacer":
        """What places new items.

        Raises:
            Refused: the model cannot.
        """
        if self.restored is None:
            raise Refused(CANNOT_PLACE, f"the model {self.version} cannot place new items: {self.why_not_restored}")
        from mmrec.experiment.run.placement import ItemPlacer  # imports lightning

        try:
            return ItemPlacer(self.restored)
        except ConfigError as error:
            raise Refused(CANNOT_PLACE, str(error)) from error

    def popularity(self) -> Int64[Tensor, " n_items"]:
        """The number of users of each item in the run."""
        return F.pad(self.known.seen.item_degree, (0, len(self.catalogue) - self.known.seen.n_items))

    @property
    def similarities(self) -> tuple[str, ...]:
        """The kinds of similarity that `neighbours` has."""
        evidence = None if self.restored is None else self.restored.evidence
        found = [] if evidence is None else [*evidence.features, *([KG] if evidence.graph is not None else [])]
        return (*((ALL,) if self.ranks else ()), COLLABORATIVE, *found)

    @torch.no_grad()
    def neighbours(self, item_idx: int, by: str, k: int, allowed: Bool[Tensor, " n_items"] | None) -> Found:
        """The items that are most similar to an item, itself excluded.

        Args:
            item_idx: the item.
            by: `all`: by the scores of the model; `collaborative`: by the users they have in common; `text`, `image`, `kg`, …: by content.
            k: how many at most.
            allowed: the items that may be found; None for all.

        Raises:
            Refused: the items have no such vectors, or this item has none.
        """
        item = torch.tensor([item_idx])
        if by == COLLABORATIVE:
            return best_of(self._common_users(item_idx)[None], k, item, allowed)
        vectors = self.unit_vectors(by)
        if not vectors[item_idx].any():
            raise Refused(CANNOT_ANSWER, f"by: item `{self.catalogue.item_ids[item_idx]}` has no {by} vector; choose another similarity")
        shown = vectors.any(dim=1)
        return best_of(vectors[item_idx][None] @ vectors.T, k, item, shown if allowed is None else shown & allowed)

    @torch.no_grad()
    def unit_vectors(self, by: str) -> Float[Tensor, "n_items dim"]:
        """Vectors of all items whose inner products are similarities; zero for items that have none. Raises Refused if there are none."""
        if by not in self.features:
            found = self._features(by)
            self.features[by] = F.normalize(found.values.float(), dim=1) * found.present[:, None]
        return self.features[by]

    def _features(self, by: str) -> Features:
        if by not in self.similarities:
            why = f"; {self.why_not_restored}" if self.why_not_restored else ""
            raise Refused(CANNOT_ANSWER, f"by: expected one of {', '.join(self.similarities)}, found `{by}`{why}")
        if by == ALL:
            return score_features(self.scorer, len(self.known.users))
        assert self.restored is not None
        evidence = self.restored.evidence
        if by == KG and evidence.graph is not None:
            return graph_features(evidence.graph, len(self.catalogue))
        return evidence.features[by]

    def _common_users(self, item_idx: int) -> Float[Tensor, " n_items"]:
        """The cosines of an item's users with those of all items; -inf for items that have no user in common."""
        degree = self.popularity()
        if item_idx >= self.known.seen.n_items or not degree[item_idx]:
            raise Refused(CANNOT_ANSWER, f"by: item `{self.catalogue.item_ids[item_idx]}` has no users yet; choose another similarity")
        _, users = self.known.users_of_items.rows(torch.tensor([item_idx]))
        _, items = self.known.seen.rows(users)
        common = torch.bincount(items, minlength=len(degree)).float()
        return torch.where(common > 0, common / (degree * degree[item_idx]).clamp(min=1).sqrt(), -torch.inf)
