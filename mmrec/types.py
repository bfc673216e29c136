"""The words of the house as types: what a dataset is in a person's files (`Dataset`) and in a model's tensors (`DatasetSpec`).

Two worlds meet here and nowhere else. Outside, ids are text and tables are Polars frames; inside, ids are contiguous int64 indices and
everything is a tensor. `mmrec.data.interactions.index.Index` is the only door between them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import polars as pl
import torch
from jaxtyping import Bool, Float, Float32, Int64
from torch import Tensor

USER_ID, ITEM_ID, RATING, TIMESTAMP = "user_id", "item_id", "rating", "timestamp"
EVENT, LABEL, POSITION = "event", "label", "position"
SPLIT, PARTS = "split", ("train", "valid", "test")
USER_IDX, ITEM_IDX = "user_idx", "item_idx"
HEAD, RELATION, TAIL, DATATYPE, ENTITY = "head", "relation", "tail", "datatype", "entity"
TEXT, IMAGE, KG, COLLABORATIVE = "text", "image", "kg", "collaborative"
CONTENT = (TEXT, IMAGE, KG)
MODALITIES = (COLLABORATIVE, *CONTENT)


@dataclass(frozen=True)
class RowCount:
    """What became of the rows of one table. None is lost unseen: rows in = kept + quarantined + deduplicated + filtered."""

    table: str
    n_in: int
    """Every row of the file, broken lines among them."""
    n_quarantined: int = 0
    n_deduplicated: int = 0
    n_filtered: int = 0

    @property
    def n_kept(self) -> int:
        return self.n_in - self.n_quarantined - self.n_deduplicated - self.n_filtered

    def as_dict(self) -> dict[str, int]:
        """The numbers by name, for programs."""
        return {
            "in": self.n_in,
            "kept": self.n_kept,
            "quarantined": self.n_quarantined,
            "deduplicated": self.n_deduplicated,
            "filtered": self.n_filtered,
        }

    def __str__(self) -> str:
        return (
            f"{self.table}: {self.n_in:,} rows in = {self.n_kept:,} kept + {self.n_quarantined:,} quarantined"
            f" + {self.n_deduplicated:,} deduplicated + {self.n_filtered:,} filtered"
        )


@dataclass(frozen=True)
class ItemVectors:
    """Features of a modality that were computed elsewhere: one row an item that has any."""

    item_ids: pl.Series
    """String, distinct."""
    values: Float32[np.ndarray, "n_rows dim"]
    source: str
    """The name of the file, as reports show it."""


@dataclass(frozen=True)
class Hosts:
    """Where files may be fetched from."""

    names: tuple[str, ...] = ()
    """`*.example.org` stands for all below example.org."""
    private: bool = False
    """Whether they may be outside of the internet: this machine, or one of its network."""

    def has(self, name: str) -> bool:
        """Whether a host of this name is among them."""
        lower = name.lower()
        return any(lower == one.lower() or (one.startswith("*.") and lower.endswith(one[1:].lower())) for one in self.names)


@dataclass(frozen=True)
class RawInput:
    """What an encoder reads of an item: the text of some columns of the items, or the picture that a column names."""

    text_columns: tuple[str, ...] = ()
    """Joined, they are the text; none where it is a picture."""
    image_column: str | None = None
    """As `Dataset.image_column`."""


@dataclass(frozen=True)
class Dataset:
    """A dataset as a person's files hold it: ids are text, nothing is imputed, rows stand in the order of the files."""

    name: str
    root: Path
    """The folder that image paths are relative to."""
    interactions: pl.DataFrame
    """`user_id: String, item_id: String[, timestamp: Int64 seconds UTC][, rating: Float64][, event: String][, label: Int64, 0 or
    1][, position: Int64][, split: String]`; `split` is the part that a row was given to by whoever published the data, `train`, `valid` or
    `test`."""
    items: pl.DataFrame
    """`item_id: String` and any columns; one row for every item, those that only interactions name included (their other columns null)."""
    text_columns: tuple[str, ...]
    """The columns of `items` that, joined, are the text of an item; the first one is its title."""
    image_column: str | None = None
    """The column of `items` that holds an image path relative to `root`, or to `pictures`, or a URL."""
    triples: pl.DataFrame | None = None
    """`head, relation, tail`, all String[, datatype: String, of a tail that is a literal; null: it is an entity][, timestamp: Int64 seconds
    UTC, when it became known; null: always]."""
    item_entities: pl.DataFrame | None = None
    """`item_id, entity`, both String; None: items are entities under their own id."""
    users: pl.DataFrame | None = None
    vectors: dict[str, ItemVectors] = field(default_factory=dict)
    """By modality: `audio`, `video`, …; one called `text` or `image` takes the place of what an encoder would make."""
    counts: tuple[RowCount, ...] = ()
    """What became of the rows of each table that was read."""
    content_hash: str = ""
    """sha256 over the bytes of the files it was read from: pictures excluded, those are hashed by the feature cache."""
    notes: tuple[str, ...] = ()
    """What reading dropped or found odd, one sentence each, counts included; shown to the person and kept in run.json."""
    hosts: Hosts = Hosts()
    """Where images named by URL may be fetched from."""
    pictures: str | None = None
    """The store in which image paths are looked up, where it is not `root`: see `mmrec.files.store.open_store`."""
    further_inputs: dict[str, RawInput] = field(default_factory=dict)
    """Raw inputs of further encoders, by modality, beside the text of `text_columns` and the picture of `image_column`."""

    @property
    def inputs(self) -> dict[str, RawInput]:
        """All raw inputs of encoders, by modality, `text` and `image` first."""
        found = {TEXT: RawInput(text_columns=self.text_columns)} if self.text_columns else {}
        found |= {IMAGE: RawInput(image_column=self.image_column)} if self.image_column else {}
        return found | self.further_inputs


@dataclass(frozen=True)
class Interactions:
    """Events as tensors, one row an event, in any order; None for what the files do not have."""

    user_idx: Int64[Tensor, " n"]
    item_idx: Int64[Tensor, " n"]
    timestamp: Int64[Tensor, " n"] | None = None
    rating: Float32[Tensor, " n"] | None = None
    """NaN where a row has none."""
    label: Float32[Tensor, " n"] | None = None
    """1 or 0, such as clicked or not; NaN where a row has none."""
    event: Int64[Tensor, " n"] | None = None
    """What happened, as a place in `events`; -1 where a row does not say."""
    position: Int64[Tensor, " n"] | None = None
    """The place in the list in which the item was shown, as the files count it; -1 where a row does not say."""
    events: tuple[str, ...] = ()
    """The names of the kinds of events of the whole dataset, sorted."""

    def __len__(self) -> int:
        return len(self.user_idx)

    def take(self, rows: Int64[Tensor, " m"]) -> "Interactions":
        """Return some of the rows, in the order asked for."""
        return self._each(lambda column: column[rows])

    def to(self, device: torch.device) -> "Interactions":
        """Return the same on a device."""
        return self._each(lambda column: column.to(device))

    def _each(self, change: Callable[[Tensor], Tensor]) -> "Interactions":
        columns = {one.name: getattr(self, one.name) for one in fields(self)}
        changed: dict[str, Any] = {name: change(column) for name, column in columns.items() if isinstance(column, Tensor)}
        return replace(self, **changed)


@dataclass(frozen=True)
class Features:
    """One frozen feature vector an item; where `present` is False the row is zero and must be masked, never used."""

    values: Float[Tensor, "n_items dim"]
    present: Bool[Tensor, " n_items"]
    encoder: str = ""
    """The name of the encoder, as reports show it; an untrained one says so here."""


@dataclass(frozen=True)
class Literals:
    """Numbers, and vectors of texts, that a graph says of entities: a row an entity that has any."""

    entity_idx: Int64[Tensor, " n"]
    """Distinct, sorted."""
    values: Float[Tensor, "n width"]
    """Zero where absent, and to be masked."""
    present: Bool[Tensor, "n groups"]
    group: Int64[Tensor, " width"]
    """The column of `present` that each column of `values` belongs to: one of its own for each numeric relation, one for all of a text."""


@dataclass(frozen=True)
class Graph:
    """A knowledge graph as tensors, edges as the triples give them (`edge_index[0]` head, `edge_index[1]` tail; no inverse edges)."""

    edge_index: Int64[Tensor, "2 n_edges"]
    edge_type: Int64[Tensor, " n_edges"]
    n_entities: int
    n_relations: int
    item_entity: Int64[Tensor, " n_items"]
    """The entity of each item, -1 where the item is outside the graph."""
    entities: tuple[str, ...] = ()
    """The names of the entities, where vectors that were made elsewhere are to be found by name."""
    literals: Literals | None = None


@dataclass(frozen=True)
class Words:
    """Which words stand in the text of each item: a binary matrix of items by words in CSR form; an item without text has an empty row."""

    indptr: Int64[Tensor, " n_items_plus_1"]
    indices: Int64[Tensor, " nnz"]
    n_words: int


@dataclass(frozen=True)
class UnusableInput:
    """An input of an encoder, a text or a picture, that could not be used."""

    position: int
    """Its place among the inputs."""
    reason: str
    """Why, in one line."""


class ItemInputs(Protocol):
    """What the encoder of one modality encodes of every item, prepared when it is asked for: token ids, or decoded pictures."""

    @property
    def encoder(self) -> "FeatureEncoder":
        """What they are prepared for."""
        ...

    @property
    def present(self) -> Bool[Tensor, " n_items"]:
        """Which items have an input that can be used."""
        ...

    def take(self, item_idx: Int64[Tensor, " n"]) -> list[Any]:
        """The prepared inputs of these items, as `FeatureEncoder.encode` takes them. Raises ValueError for an item that has none."""
        ...

    def reordered(self, order: Int64[Tensor, " n_items"]) -> "ItemInputs":
        """The same, each item having the input of the item that `order` has in its place."""
        ...


@dataclass(frozen=True)
class DatasetSpec:
    """All that building and training a model may know: sizes, training interactions and what is known of the items; no held-out row."""

    n_users: int
    n_items: int
    train: Interactions
    features: dict[str, Features] = field(default_factory=dict)
    """By modality (`text`, `image`, …), in the order in which they become tokens."""
    graph: Graph | None = None
    item_inputs: Mapping[str, ItemInputs] = field(default_factory=dict)
    """By modality what its encoder encodes of the items; nothing is tokenized or decoded before a model asks for it."""
    words: Words | None = None
    """Of the texts, where these are allowed and there are any."""


class Scorer(Protocol):
    """Anything that can rank: a trained model or a baseline."""

    def score_users(self, user_idx: Int64[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
        """The score of every item for each user; higher is better. The tensor is the caller's, who may write to it."""
        ...


class FeatureEncoder(Protocol):
    """A frozen encoder of one modality, as the feature cache sees it: it prepares raw inputs, and encodes what is prepared.

    One that can be trained with a model has a method `network()` too, see `mmrec.nn.encoders.pretrained.TrainableEncoder`.
    """

    name: str
    """What reports call it, e.g. `minilm`; an untrained encoder says so here."""

    @property
    def feature_dim(self) -> int:
        """How many numbers an input becomes."""
        ...

    @property
    def fingerprint(self) -> str:
        """sha256 hex over all that decides the output: weights, preprocessing, pooling, precision."""
        ...

    def prepare(self, raw: bytes) -> object:
        """Tokenise a text (UTF-8) or decode a picture. Raises ValueError, with the reason, where the bytes cannot be used."""
        ...

    def length(self, prepared: Any) -> int:
        """What batches are sorted by: tokens of a text; a constant for pictures."""
        ...

    def encode(self, prepared: list[Any]) -> Float[Tensor, "batch feature_dim"]:
        """The features of one batch, float32 on the CPU."""
        ...


def default_device() -> torch.device:
    """The first CUDA device if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
