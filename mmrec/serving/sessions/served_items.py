"""A served model and its users as sessions know them."""

from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mmrec.data.interactions.index import Index
from mmrec.errors import ConfigError, nearest
from mmrec.rerank.item_categories import ItemCategories
from mmrec.rerank.similarity import FUSED, unit_vectors
from mmrec.serving.matches import match_picture, match_text
from mmrec.serving.model.served import ALL, ServedModel, Taste
from mmrec.serving.sessions.item_attributes import ItemAttributes
from mmrec.serving.sessions.item_explainer import ItemExplainer
from mmrec.steering.steer import standardized
from mmrec.steering.vocabulary import Vocabulary
from mmrec.types import ITEM_ID, TEXT

if TYPE_CHECKING:
    from mmrec.experiment.evidence import Evidence

_SEPARATOR = ", "
_KEPT_WORDS = 256
_MEANING = 0.25
"""How much a standard deviation of cosines counts relative to the best match of words."""


@final
class ServedItems:
    """The items of a model, as `mmrec.steering.SteeredItems` and `mmrec.rerank.ItemContent`.

    Args:
        model: the model.
    """

    def __init__(self, model: ServedModel) -> None:
        self.model = model
        self.matches = lru_cache(_KEPT_WORDS)(self._matches)
        self._categories: dict[str, ItemCategories] = {}
        self._vectors: dict[str, Tensor] = {}

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The names, columns and values of the items."""
        catalogue, attributes = self.model.catalogue, self.attributes
        values = {column: tuple(found) for column, found in attributes.values.items()}
        return Vocabulary(catalogue.item_ids, catalogue.titles, values, tuple(attributes.numbers))

    @cached_property
    def attributes(self) -> ItemAttributes:
        """The values and numbers of the items."""
        evidence = self._evidence
        return ItemAttributes.of_items(self.model.catalogue.items, None if evidence is None else evidence.graph, self._separator)

    def similarities(self, item_idx: int) -> Float[Tensor, " n_items"]:
        """The correlation of the scores of each item with those of one, over users."""
        vectors = self.model.unit_vectors(ALL)
        return vectors @ vectors[item_idx]

    def with_value(self, column: str, value: str) -> Bool[Tensor, " n_items"]:
        """Which items have a value of a column."""
        found = torch.zeros(len(self.model.catalogue), dtype=torch.bool)
        found[self.attributes.values[column][value]] = True
        return found

    def numbers(self, column: str) -> Float[Tensor, " n_items"]:
        """The numbers of a column; NaN where an item has none."""
        return self.attributes.numbers[column]

    def _matches(self, words: str) -> Float[Tensor, " n_items"] | None:
        """BM25 with all columns of text, from 0 to 1, and in smaller part the standardized cosines of text vectors, if there are any."""
        by_words = self.model.catalogue.words.score([words])[0]
        found = by_words / by_words.max() if bool((by_words > 0).any()) else None
        evidence = self._evidence
        if evidence is not None and TEXT in evidence.inputs:
            cosines = match_text(self.model, words)[0]
            there = cosines > -torch.inf
            if bool(there.any()):
                meant = _MEANING * standardized(torch.where(there, cosines, cosines[there].mean()))
                found = meant if found is None else found + meant
        return found

    def looks_like(self, picture: bytes) -> Float[Tensor, " n_items"]:
        """The cosines of the vectors of a picture and of the items' pictures; the mean for items without one."""
        cosines = match_picture(self.model, picture)[0]
        there = cosines > -torch.inf
        return torch.where(there, cosines, cosines[there].mean() if there.any() else 0.0)

    def vectors(self, similarity: str) -> Float[Tensor, "n_items dim"]:
        """Unit vectors of a modality, or those of the model for `fused`; see `mmrec.rerank.ItemContent`."""
        if similarity not in self._vectors:
            known = (FUSED, *(one for one in self.model.similarities if one not in (ALL, "collaborative")))
            if similarity not in known:
                raise ConfigError(f"rerank: expected a similarity that the items have, found `{similarity}`; {nearest(similarity, known)}")
            found = self.model.unit_vectors(ALL if similarity == FUSED else similarity)
            self._vectors[similarity] = unit_vectors(found, found.any(dim=1))
        return self._vectors[similarity]

    def categories(self, column: str) -> ItemCategories:
        """The categories of the items by a column; see `mmrec.rerank.ItemContent`."""
        if column not in self._categories:
            items = self.model.catalogue.items
            columns = [name for name in items.columns if name != ITEM_ID]
            if column not in columns:
                raise ConfigError(f"rerank: the items have no column `{column}`; {nearest(column, columns)}")
            index = Index(items[ITEM_ID].clear(), items[ITEM_ID])
            self._categories[column] = ItemCategories.of_column(items, column, self._separator, index)
        return self._categories[column]

    @cached_property
    def explainer(self) -> ItemExplainer:
        """What explains items of the model to users of the run."""
        return ItemExplainer(self.model)

    @property
    def _evidence(self) -> "Evidence | None":
        restored = self.model.restored
        return None if restored is None else restored.evidence

    @property
    def _separator(self) -> str:
        restored = self.model.restored
        return _SEPARATOR if restored is None else restored.settings.graph.separator


@final
class ServedPerson:
    """Somebody whom a model recommends to, as `mmrec.steering.Person`.

    Args:
        model: the model.
        taste: what they like before the session.
        history: their items, oldest first.
        times: of the history, in seconds UTC; None if they are not known.
        seen: the items that are not recommended.
    """

    def __init__(
        self, model: ServedModel, taste: Taste, history: Sequence[int], times: Sequence[float] | None, seen: frozenset[int]
    ) -> None:
        self.model, self.history = model, history
        self.seen = seen | frozenset(model.catalogue.idx(model.catalogue.removed).tolist())
        self._taste, self._times = taste, times

    def scores(self, liked: Sequence[int]) -> Float[Tensor, " n_items"]:
        """The scores of all items, moved by what the liked items change if they are added to the history.

        Where the model does not read histories, the mean similarity to the liked items counts half as much as the scores.
        """
        if not liked:
            return self._base
        if self.model.of_histories is None:
            return standardized(self._base) + 0.5 * standardized(self.model.all_scores(self.model.taste_of_similar(liked))[0])
        after = self._of_history([*self.history, *liked])
        return after if not self.history else self._base + after - self._before

    @cached_property
    def _base(self) -> Float[Tensor, " n_items"]:
        return self.model.all_scores(self._taste)[0]

    @cached_property
    def _before(self) -> Float[Tensor, " n_items"]:
        return self._of_history(self.history)

    def _of_history(self, history: Sequence[int]) -> Float[Tensor, " n_items"]:
        n_more = len(history) - len(self.history)
        times = None if not self._times else [*self._times, *[max(self._times)] * n_more]
        return self.model.all_scores(self.model.taste_of_history(history, times))[0]


def times_of(past: Sequence[tuple[int, float | None]]) -> list[float] | None:
    """Return the times of items; None if one of them is not known."""
    times = [time for _, time in past if time is not None]
    return times if len(times) == len(past) else None
