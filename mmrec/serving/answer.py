"""What the service is asked for and answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mmrec.rerank.reranker import Reranker
from mmrec.serving.filters import Condition

MAX_K, MAX_OFFSET = 1_000, 10_000


@dataclass(frozen=True)
class Wanted:
    """What a list is to be like."""

    k: int = 10
    cursor: str | None = None
    """Where the list before ended, see `Answer.cursor`."""
    filters: Sequence[Condition] = ()
    """What all items fulfil."""
    candidates: Sequence[str] | None = None
    """The only items to choose from; None: all."""
    exclude: Sequence[str] = ()
    """Items to leave out."""
    rerank: Sequence[Reranker] = ()
    """Methods that choose among the best items, each from the list of the one before."""


@dataclass(frozen=True)
class Past:
    """An event in a history that comes with a request."""

    item_id: str
    timestamp: float | None = None
    """Seconds UTC; events without a time are in the order of the list."""
    event: str = "click"


@dataclass(frozen=True)
class Listed:
    """An item of a list."""

    item_id: str
    rank: int
    """From 1; lists that continue others go on counting."""
    score: float
    title: str | None = None
    image: str | None = None
    """The address of a picture."""


@dataclass(frozen=True)
class Answer:
    """A list, made by one model."""

    model: str
    """The version of the model."""
    items: Sequence[Listed]
    reason: str
    """Why these items."""
    cursor: str | None = None
    """Asks for the items that follow; None if there are no more."""
    explanations: Mapping[str, Sequence[str]] | None = None
    """By item_id, sentences that say why; None if they were not asked for."""


@dataclass(frozen=True)
class ItemChange:
    """What became of an item that was put or removed."""

    model: str
    item_id: str
    is_new: bool
    """Whether there was no such item before."""
    placed_by: Sequence[str] = ()
    """The content that decides on its place."""


@dataclass(frozen=True)
class About:
    """The model in use."""

    model: str
    """Its version."""
    run: str
    name: str
    n_users: int
    n_items: int
    index: str
    reads_histories: bool
    """Whether events count at once."""
    places_items: bool
    """Whether new items can be placed by their content."""
    similarities: Sequence[str]
    columns: Sequence[str]
    """The columns that filters can name."""
    before: str | None = None
    """The version that `rollback` returns to."""
    notes: Sequence[str] = ()
    metrics: dict[str, Any] = field(default_factory=dict)
