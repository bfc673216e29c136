"""The central data types: a dataset in the form of files (`Dataset`) and in the form of tensors (`DatasetSpec`).

In the former, ids are text and tables are Polars frames; in the latter, ids are contiguous int64 indices and everything is a tensor.
`mmrec.data.interactions.index.Index` is the only mapping between them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import polars as pl
import torch
from jaxtyping import Bool, Float, Float32, Int64
from torch import Tensor

from mmrec.errors import DataError, nearest
from mmrec.frames import TITLES, as_table
from mmrec.row_count import RowCount

USER_ID, ITEM_ID, RATING, TIMESTAMP = "user_id", "item_id", "rating", "timestamp"
EVENT, LABEL, POSITION, PROPENSITY = "event", "label", "position", "propensity"
QUERY = "query"
SPLIT, PARTS = "split", ("train", "valid", "test")
FILE_ROW = "__file_row__"
"""The position of an interaction in the files, counted from 0; added while data are filtered and split, which changes the order of rows."""
USER_IDX, ITEM_IDX = "user_idx", "item_idx"
HEAD, RELATION, TAIL, DATATYPE, ENTITY = "head", "relation", "tail", "datatype", "entity"
TEXT, IMAGE, KG, COLLABORATIVE, USER_TEXT = "text", "image", "kg", "collaborative", "user_text"
CONTENT = (TEXT, IMAGE, KG)
MODALITIES = (COLLABORATIVE, *CONTENT)


@dataclass(frozen=True)
class ItemVectors:
    """Precomputed features of a modality, one row per item that has any."""

    item_ids: pl.Series
    """String, distinct."""
    values: Float32[np.ndarray, "n_rows dim"]
    source: str
    """The name of the file, for reports."""


@dataclass(frozen=True)
class Hosts:
    """The hosts from which files may be downloaded."""

    names: tuple[str, ...] = ()
    """`*.example.org` matches all hosts below example.org."""
    private: bool = False
    """Whether they may be on this machine or its local network."""

    def has(self, name: str) -> bool:
        """Whether a host is allowed."""
        lower = name.lower()
        return any(lower == one.lower() or (one.startswith("*.") and lower.endswith(one[1:].lower())) for one in self.names)


@dataclass(frozen=True)
class RawInput:
    """The raw input of an encoder for an item: the text of some item columns, or the picture that a column names."""

    text_columns: tuple[str, ...] = ()
    """The columns whose values are joined to the text; empty for pictures."""
    image_column: str | None = None
    """As `Dataset.image_column`."""


@dataclass(frozen=True)
class Dataset:
    """A dataset in the form of files: ids are text, nothing is imputed, and rows are in the order of the files."""

    name: str
    root: Path
    """The folder that image paths are relative to."""
    interactions: pl.DataFrame
    """`user_id: String, item_id: String[, timestamp: Int64 seconds UTC][, rating: Float64][, event: String][, label: Int64, 0 or 1][,
    position: Int64][, propensity: Float64, above 0, at most 1][, split: String]`; `split` is the part given by the publisher of the data,
    `train`, `valid` or `test`."""
    items: pl.DataFrame
    """`item_id: String` and any columns; one row for every item, including those that only interactions contain (with null columns)."""
    text_columns: tuple[str, ...]
    """The columns of `items` that form the text of an item; the first one is its title."""
    image_column: str | None = None
    """The column of `items` with image paths relative to `root` or `pictures`, or URLs."""
    triples: pl.DataFrame | None = None
    """`head, relation, tail`, all String[, datatype: String, if the tail is a literal, else null][, timestamp: Int64 seconds UTC, when it
    became known; null: always]."""
    item_entities: pl.DataFrame | None = None
    """`item_id, entity`, both String; None: items are entities under their own id."""
    users: pl.DataFrame | None = None
    impressions: pl.DataFrame | None = None
    """What users were shown, with `label`, if it is not among the interactions: the same columns. `task=click` uses it instead of them."""
    queries: pl.DataFrame | None = None
    """`query: String, item_id: String[, user_id][, timestamp][, label: 0: shown, not chosen]` and any columns that describe the query."""
    vectors: dict[str, ItemVectors] = field(default_factory=dict)
    """By modality: `audio`, `video`, …; vectors named `text` or `image` replace the output of an encoder."""
    counts: tuple[RowCount, ...] = ()
    """The row counts of each table."""
    content_hash: str = ""
    """The SHA-256 of the files' bytes, except pictures, which the feature cache hashes."""
    notes: tuple[str, ...] = ()
    """Sentences, with counts, on what reading dropped or found unusual; shown to the user and stored in run.json."""
    hosts: Hosts = Hosts()
    """The hosts from which images named by URL may be downloaded."""
    pictures: str | None = None
    """The store of images, if it is not `root`: see `mmrec.files.store.open_store`."""
    further_inputs: dict[str, RawInput] = field(default_factory=dict)
    """The raw inputs of further encoders by modality, besides text and image."""

    @classmethod
    def from_frames(
        cls,
        interactions: Any,
        items: Any = None,
        users: Any = None,
        triples: Any = None,
        item_entities: Any = None,
        text_columns: Sequence[str] | None = None,
        image_column: str | None = None,
        root: str | Path = ".",
    ) -> "Dataset":
        """Make a dataset from tables in memory: frames of Polars, pandas, pyarrow or anything that exports an Arrow stream.

        Args:
            interactions: `user_id, item_id[, timestamp][, rating][, event][, label][, position][, propensity][, split]`; times are dates,
                or seconds UTC.
            items: `item_id` and any columns.
            users: `user_id` and any columns.
            triples: `head, relation, tail[, datatype][, timestamp]`.
            item_entities: `item_id, entity`; None: items are entities under their own id.
            text_columns: those of the items that make up their text, title first; None: all that hold text, but for the image column.
            image_column: that of the items with paths of pictures; None: `image` if there is one.
            root: the folder that paths of pictures are relative to; the dataset is called as it is.

        Raises:
            DataError: where a column is missing or a value is not of its kind.
        """
        events = as_table(interactions, "interactions")
        known = events.select(pl.col(ITEM_ID).unique(maintain_order=True))
        given = known.clear() if items is None else as_table(items, "items")
        image = image_column or (IMAGE if given.schema.get(IMAGE) == pl.String else None)
        texts = [name for name, kind in given.schema.items() if kind == pl.String and name not in (ITEM_ID, image)]
        for name in (*(text_columns or ()), *([] if image is None else [image])):
            if name not in given.columns:
                raise DataError(f"items: expected a column `{name}`, found none; {nearest(name, given.columns)}")
        return cls(
            name=Path(root).resolve().name or "frames",
            root=Path(root),
            interactions=events,
            items=pl.concat([given, known.join(given, on=ITEM_ID, how="anti").sort(ITEM_ID)], how="diagonal"),
            text_columns=tuple(sorted(texts, key=lambda name: name.lower() not in TITLES) if text_columns is None else text_columns),
            image_column=image,
            triples=None if triples is None else as_table(triples, "triples"),
            item_entities=None if item_entities is None else as_table(item_entities, "item_entities"),
            users=None if users is None else as_table(users, "users"),
        )

    @property
    def inputs(self) -> dict[str, RawInput]:
        """All raw inputs of encoders by modality, `text` and `image` first."""
        found = {TEXT: RawInput(text_columns=self.text_columns)} if self.text_columns else {}
        found |= {IMAGE: RawInput(image_column=self.image_column)} if self.image_column else {}
        return found | self.further_inputs


@dataclass(frozen=True)
class Interactions:
    """Events as tensors, one row per event, in any order; columns that the files lack are None."""

    user_idx: Int64[Tensor, " n"]
    item_idx: Int64[Tensor, " n"]
    timestamp: Int64[Tensor, " n"] | None = None
    rating: Float32[Tensor, " n"] | None = None
    """NaN for missing values."""
    label: Float32[Tensor, " n"] | None = None
    """1 or 0, for example clicked or not; NaN for missing values."""
    event: Int64[Tensor, " n"] | None = None
    """The kind of event as a position in `events`; -1 for missing values."""
    position: Int64[Tensor, " n"] | None = None
    """The position in the list in which the item was shown, as counted in the files; -1 for missing values."""
    propensity: Float32[Tensor, " n"] | None = None
    """The probability with which the logging policy showed the item; NaN for missing values."""
    events: tuple[str, ...] = ()
    """The kinds of events in the whole dataset, sorted."""

    def __len__(self) -> int:
        return len(self.user_idx)

    def take(self, rows: Int64[Tensor, " m"]) -> "Interactions":
        """Return the given rows, in that order."""
        return self._each(lambda column: column[rows])

    def to(self, device: torch.device) -> "Interactions":
        """Return a copy on a device."""
        return self._each(lambda column: column.to(device))

    def _each(self, change: Callable[[Tensor], Tensor]) -> "Interactions":
        columns = {one.name: getattr(self, one.name) for one in fields(self)}
        changed: dict[str, Any] = {name: change(column) for name, column in columns.items() if isinstance(column, Tensor)}
        return replace(self, **changed)


def joined(parts: Sequence[Interactions]) -> Interactions:
    """Return the rows of all parts, one after the other, with the columns that all of them have."""
    columns = {one.name: [getattr(part, one.name) for part in parts] for one in fields(Interactions)}
    tensors = {name: torch.cat(values) for name, values in columns.items() if all(isinstance(value, Tensor) for value in values)}
    return Interactions(**tensors, events=parts[0].events)


@dataclass(frozen=True)
class Features:
    """One frozen feature vector per item; rows that are not `present` are zero and must be masked."""

    values: Float[Tensor, "n_items dim"]
    present: Bool[Tensor, " n_items"]
    encoder: str = ""
    """The name of the encoder, for reports; untrained encoders say so."""


@dataclass(frozen=True)
class Literals:
    """Literal attributes of entities, as numbers or text vectors, with one row per entity that has any."""

    entity_idx: Int64[Tensor, " n"]
    """Distinct, sorted."""
    values: Float[Tensor, "n width"]
    """Zero if absent, to be masked."""
    present: Bool[Tensor, "n groups"]
    group: Int64[Tensor, " width"]
    """The column of `present` of each column of `values`: a separate one for each numeric relation, a common one for text vectors."""


@dataclass(frozen=True)
class Graph:
    """A knowledge graph as tensors, with edges as in the triples (`edge_index[0]` head, `edge_index[1]` tail; no inverse edges)."""

    edge_index: Int64[Tensor, "2 n_edges"]
    edge_type: Int64[Tensor, " n_edges"]
    n_entities: int
    n_relations: int
    item_entity: Int64[Tensor, " n_items"]
    """The entity of each item, -1 for items outside the graph."""
    entities: tuple[str, ...] = ()
    """The names of the entities, by which pretrained vectors are found."""
    literals: Literals | None = None
    relations: tuple[str, ...] = ()
    """The names of the relations."""


@dataclass(frozen=True)
class Words:
    """A bag of words per item: a binary item-word matrix in CSR format; items without text have empty rows."""

    indptr: Int64[Tensor, " n_items_plus_1"]
    indices: Int64[Tensor, " nnz"]
    n_words: int


@dataclass(frozen=True)
class UnusableInput:
    """An input of an encoder, a text or a picture, that could not be used."""

    position: int
    """Its position among the inputs."""
    reason: str
    """The reason, in one line."""


class ItemInputs(Protocol):
    """The inputs of one modality's encoder for every item, prepared on access: token ids, or decoded pictures."""

    @property
    def encoder(self) -> "FeatureEncoder":
        """The encoder that the inputs are prepared for."""
        ...

    @property
    def present(self) -> Bool[Tensor, " n_items"]:
        """Whether each item has a usable input."""
        ...

    def take(self, item_idx: Int64[Tensor, " n"]) -> list[Any]:
        """The prepared inputs of items, for `FeatureEncoder.encode`. Raises ValueError for an item without a usable input."""
        ...

    def reordered(self, order: Int64[Tensor, " n_items"]) -> "ItemInputs":
        """Permute the inputs: each item gets the input of the item at its position in `order`."""
        ...


@dataclass(frozen=True)
class Queries:
    """What is known to answer search queries; in the interactions of the specification, queries then take the place of users."""

    texts: tuple[str, ...]
    """The text of each query, by user_idx."""
    features: Features
    """The frozen vectors of the texts, by user_idx."""
    item_texts: tuple[str, ...]
    """The text of each item; empty if it has none, or if texts may not be used."""
    behavior: Interactions
    """The interactions of people with items, apart from those of held-out queries; their user_idx counts people."""
    n_people: int
    person: Int64[Tensor, " n_queries"] | None = None
    """Who asked each query, counted like people; -1 where nobody is known. None: queries are everyone's."""


@dataclass(frozen=True)
class UserTexts:
    """Texts about users, made from the training part. Each user's items are divided into folds, and each fold has a text without it.

    Row `u` is the whole text of user `u`, and row `n_users * (1 + k) + u` the text that leaves out the items of fold `k`.
    """

    features: Features
    """The vectors of all rows, by the encoder of the items' texts."""
    n_folds: int
    pairs: Int64[Tensor, " n_pairs"]
    """`user_idx * n_items + item_idx` of the training interactions, distinct, ascending."""
    fold: Int64[Tensor, " n_pairs"]
    inputs: ItemInputs | None = None
    """The inputs of the encoder for all rows."""


@dataclass(frozen=True)
class DatasetSpec:
    """Everything that a model may use for training: sizes, training interactions and item content, without held-out rows."""

    n_users: int
    n_items: int
    train: Interactions
    features: dict[str, Features] = field(default_factory=dict)
    """By modality (`text`, `image`, …), in the order of tokens."""
    graph: Graph | None = None
    item_inputs: Mapping[str, ItemInputs] = field(default_factory=dict)
    """By modality, the inputs of its encoder; nothing is tokenised or decoded before a model requests it."""
    words: Words | None = None
    """The words of the texts, if these are allowed and exist."""
    queries: Queries | None = None
    """For models that answer search queries."""
    user_texts: UserTexts | None = None
    tasks: Mapping[str, "DatasetSpec"] = field(default_factory=dict)
    """By name, the specifications of several tasks that one model learns, whose items are the same."""
    user_table: pl.DataFrame | None = None
    """The columns of the users, one row for each `user_idx`."""
    item_table: pl.DataFrame | None = None
    """The columns of the items, one row for each `item_idx`."""


class Scorer(Protocol):
    """Anything that can rank items: a trained model or a baseline."""

    def score_users(self, user_idx: Int64[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
        """The scores of all items for each user; higher is better. The caller may modify the tensor."""
        ...


class FeatureEncoder(Protocol):
    """A frozen encoder of one modality, as used by the feature cache: it prepares raw inputs, and encodes prepared inputs.

    An encoder that can be fine-tuned has a method `network()` as well, see `mmrec.nn.encoders.pretrained.TrainableEncoder`.
    """

    name: str
    """The name in reports, e.g. `minilm`; untrained encoders say so."""

    @property
    def feature_dim(self) -> int:
        """The dimension of a feature vector."""
        ...

    @property
    def fingerprint(self) -> str:
        """The SHA-256 (hex) of everything that determines the output: weights, preprocessing, pooling, precision."""
        ...

    def prepare(self, raw: bytes) -> object:
        """Tokenise a UTF-8 text or decode a picture. Raises ValueError, with the reason, if the bytes cannot be used."""
        ...

    def length(self, prepared: Any) -> int:
        """The sort key of batches: the number of tokens of a text; a constant for pictures."""
        ...

    def encode(self, prepared: list[Any]) -> Float[Tensor, "batch feature_dim"]:
        """The features of a batch, float32 on the CPU."""
        ...


def default_device() -> torch.device:
    """The first CUDA device if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
