"""Load and prepare the evidence for a model: dataset, split, features and graph."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import polars as pl
import torch

from mmrec.data.features.align import align_vectors
from mmrec.data.features.bag_of_words import find_words
from mmrec.data.features.counterfactual import change_features, change_graph, change_inputs, change_texts, change_words
from mmrec.data.features.extract import Engine, encode_here, extract_features
from mmrec.data.features.item_inputs import PictureInputs, TextInputs
from mmrec.data.features.texts import item_texts
from mmrec.data.features.user_template import UserTemplate
from mmrec.data.features.user_texts import UserTextMaker
from mmrec.data.interactions.filter import INTERACTIONS, filter_interactions
from mmrec.data.interactions.index import Index, check_catalogue, indices_of
from mmrec.data.interactions.leakage import drop_future_triples, flag_columns, flag_relations
from mmrec.data.interactions.queries import PERSON, QueryEvidence, asked_by, queries_as_interactions, split_by_text
from mmrec.data.interactions.split import Split
from mmrec.data.interactions.split_rules import check_parts
from mmrec.data.pictures.urls import read_all_pictures
from mmrec.errors import ConfigError, DataError, nearest
from mmrec.evaluation.measure.item_groups import check_item_column
from mmrec.experiment.run_folder.files import read_table
from mmrec.experiment.settings import EvidenceSettings, FeatureSettings
from mmrec.files.storage import sha256_frame, sha256_text, write_parquet
from mmrec.files.store import Store, open_store
from mmrec.kg.graph import build_graph, drop_inverse_relations, prune, to_tensors
from mmrec.kg.literals import add_texts, texts_of
from mmrec.row_count import RowCount
from mmrec.types import (
    FILE_ROW,
    IMAGE,
    ITEM_ID,
    KG,
    MODALITIES,
    QUERY,
    TEXT,
    TIMESTAMP,
    USER_ID,
    USER_TEXT,
    Dataset,
    FeatureEncoder,
    Features,
    Graph,
    Interactions,
    ItemInputs,
    Queries,
    RawInput,
    UnusableInput,
    Words,
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Evidence:
    """The evidence of all items, independent of the split."""

    dataset: Dataset
    index: Index
    features: dict[str, Features]
    graph: Graph | None
    notes: tuple[str, ...]
    """Remarks from reading the data and extracting features."""
    features_s: float
    inputs: Mapping[str, ItemInputs] = field(default_factory=dict)
    """The raw inputs of encoders, by modality."""
    words: Words | None = None
    queries: QueryEvidence | None = None
    user_texts: UserTextMaker | None = None
    """Makes the texts about users, which depend on the training part."""


def open_features(url: str | None) -> Store | None:
    """Open the feature store `features.store`, which need not exist yet. Raises as `open_store` does."""
    return None if url is None else open_store(url, "features.store", whole=False)


def load_evidence(settings: EvidenceSettings) -> Evidence:
    """Read the dataset, extract or look up features, and build the graph, for all allowed evidence that the data have."""
    read = with_impressions(settings.dataset()) if settings.of_impressions else settings.dataset()
    _check_names(settings, read)
    rows = read.interactions.with_columns(pl.int_range(pl.len()).alias(FILE_ROW))  # the filter sorts them
    dataset = filter_interactions(replace(read, interactions=rows), **asdict(settings.filter))
    behavior = dataset.interactions
    if settings.answers_queries:
        dataset = queries_as_interactions(dataset, settings.personal)
    check_item_column(dataset.items, settings.item_column)
    check_catalogue(dataset)
    index = Index.build(dataset, settings.seed)
    _log.info(f"{dataset.name}: {len(dataset.interactions):,} interactions, {index.n_users:,} users, {index.n_items:,} items")
    for note in (*dataset.counts, *dataset.notes):
        _log.info(f"  {note}")
    dataset, hindsight = _drop_future_evidence(settings, dataset)
    template, start = _user_template(settings, dataset), time.perf_counter()
    features, inputs, notes = _load_features(settings, dataset, index)
    features_s = time.perf_counter() - start
    encoder = inputs[TEXT].encoder if TEXT in inputs else None
    graph, more = load_graph(settings, dataset, index, encoder)
    notes, words = dataset.notes + hindsight + notes + more, load_words(settings, dataset, index)
    users = None if template is None else _user_text_maker(settings, template, dataset, index, encoder)
    found = Evidence(dataset, index, features, graph, notes, features_s, inputs, words, user_texts=users)
    return replace(found, queries=load_queries(settings, found, behavior)) if settings.answers_queries else found


def with_impressions(dataset: Dataset) -> Dataset:
    """Replace the interactions by the impressions, if the dataset has any beside them."""
    shown = dataset.impressions
    if shown is None:
        return dataset
    counts = (RowCount(INTERACTIONS, len(shown)), *(count for count in dataset.counts if count.table != INTERACTIONS))
    note = f"the rows are the {len(shown):,} impressions, not the {len(dataset.interactions):,} interactions"
    content_hash = sha256_text(dataset.content_hash, sha256_frame(shown))
    return replace(dataset, interactions=shown, counts=counts, notes=(*dataset.notes, note), content_hash=content_hash)


def make_split(settings: EvidenceSettings, evidence: Evidence, folder: Path, is_resumed: bool = False) -> Split:
    """Split the interactions and write the three tables.

    Raises:
        DataError: a part is empty, or a resumed run started with other rows; no tables are written.
    """
    asked = None if evidence.queries is None else evidence.queries.asked
    rows = evidence.dataset.interactions
    split = settings.split(rows) if asked is None else split_by_text(settings.split, asked, rows)
    _log.info(f"split {split.name}: {len(split.train):,} train, {len(split.valid):,} valid, {len(split.test):,} test")
    for note in split.notes:
        _log.info(f"  {note}")
    parts = {part: getattr(split, part).drop(FILE_ROW, strict=False) for part in ("train", "valid", "test")}
    check_parts(split.name, [len(table) for table in parts.values()])
    for part, table in parts.items():
        path = folder / f"{part}.parquet"
        if is_resumed and path.is_file() and not read_table(path).equals(table):
            raise DataError(
                f"resume: {path} differs from the split of the current data; restore the files of the first start, or start a new run"
            )
    for part, table in parts.items():
        write_parquet(folder / f"{part}.parquet", table)
    return split


def _drop_future_evidence(settings: EvidenceSettings, dataset: Dataset) -> tuple[Dataset, tuple[str, ...]]:
    """Remove triples that became known too late for the split, and add notes on evidence that may leak held-out rows."""
    triples, notes = dataset.triples, tuple[str, ...]()
    if settings.allows(KG):
        if triples is not None and TIMESTAMP in triples.columns:
            triples, notes = drop_future_triples(triples, settings.split(dataset.interactions))
        notes += flag_columns(dataset.items, settings.graph.item_columns, "graph.item_columns")
        notes += () if triples is None else flag_relations(triples)
    for name, raw in dataset.inputs.items():
        if settings.allows(name) and name not in dataset.vectors:
            key = "data.text_columns" if name == TEXT else f"data.inputs.{name}.text_columns"
            notes += flag_columns(dataset.items, raw.text_columns, key)
    for note in notes:
        _log.info(f"  {note}")
    return replace(dataset, triples=triples), notes


def _load_features(
    settings: EvidenceSettings, dataset: Dataset, index: Index
) -> tuple[dict[str, Features], dict[str, ItemInputs], tuple[str, ...]]:
    items, cache, size = index.align(dataset.items), settings.features.cache, settings.features.batch_size
    features, inputs = dict[str, Features](), dict[str, ItemInputs]()
    notes: list[str] = []
    engine, store = _engine(settings.features), open_features(settings.features.store)
    for name, vectors in dataset.vectors.items():
        if settings.allows(name):
            features[name] = align_vectors(vectors, index)
    encoders = _Encoders(settings.features.encoders)
    for name, raw in dataset.inputs.items():
        if not settings.allows(name) or name in features:
            continue
        values, problems = _read_input(replace(dataset, image_column=raw.image_column), raw, items, cache)
        if _any_there(values):  # encoders may be large downloads
            encoder = encoders.of(name, raw)
            features[name], unusable = extract_features(encoder, values, cache, size, name, engine, store)
            problems = problems + unusable
            inputs[name] = (TextInputs if raw.text_columns else PictureInputs)(encoder, values, features[name].present)
        elif problems:
            _log.info(f"{name} features: none, since no picture of the {len(problems):,} items with one can be read")
        of_whom = "" if name in (TEXT, IMAGE) else f", {name}"
        notes += [f"item `{items[ITEM_ID][p.position]}`{of_whom}: {p.reason}" for p in problems]
    _tell(features, notes, len(items))
    for name in features:
        if isinstance(change := settings.allows(name), str):
            features[name] = change_features(features[name], change, torch.Generator().manual_seed(settings.seed))
            if name in inputs:
                inputs[name] = change_inputs(inputs[name], change, torch.Generator().manual_seed(settings.seed))
    order = sorted(features, key=lambda name: (TEXT, IMAGE, name).index(name))  # stable sort: further modalities keep their order
    kept = {name: features[name] for name in order if features[name].present.any()}
    return kept, {name: inputs[name] for name in kept if name in inputs}, tuple(notes)


class _Encoders:
    """The configured encoders, each created once, when there is something to encode."""

    def __init__(self, makers: Mapping[str, Callable[[], FeatureEncoder]]) -> None:
        self.makers = makers
        self._made: dict[str, FeatureEncoder] = {}

    def of(self, name: str, raw: RawInput) -> FeatureEncoder:
        """The encoder of an input: its own, or that of all texts or all pictures."""
        key = name if name in self.makers else TEXT if raw.text_columns else IMAGE
        if key not in self.makers:
            raise ConfigError(
                f"encoders.{name}: expected an encoder for this input of the data; to leave it out, set evidence.{name}=false"
            )
        if key not in self._made:
            self._made[key] = self.makers[key]()
        return self._made[key]


def _read_input(dataset: Dataset, raw: RawInput, items: pl.DataFrame, cache: Path) -> tuple[Sequence[bytes | None], list[UnusableInput]]:
    """The raw inputs of the items, and the unreadable ones."""
    if raw.text_columns:
        return item_texts(items, raw.text_columns), []
    return read_all_pictures(dataset, items[ITEM_ID], cache)


def _tell(features: Mapping[str, Features], notes: Sequence[str], n_items: int) -> None:
    for name, found in features.items():
        _log.info(f"{name} features ({found.encoder}): {int(found.present.sum()):,} of {n_items:,} items")
    for note in notes[:20]:
        _log.info(f"  {note}")
    if len(notes) > 20:
        _log.info(f"  … and {len(notes) - 20:,} more; run.json has all of them")


def _user_template(settings: EvidenceSettings, dataset: Dataset) -> UserTemplate | None:
    """The template of texts about users, checked against the data; None if there are to be none."""
    if not settings.allows(USER_TEXT):
        return None
    if settings.user_text is None:
        raise ConfigError(f"evidence.{USER_TEXT}: expected a template, `user_text`; choose user_text=english or write one")
    template = settings.user_text()
    template.check_columns([name for name in ([] if dataset.users is None else dataset.users.columns) if name != USER_ID])
    if not dataset.text_columns:
        raise ConfigError(f"evidence.{USER_TEXT}: expected items with titles, and {dataset.name} has no text columns; leave it false")
    return template


def _user_text_maker(
    settings: EvidenceSettings, template: UserTemplate, dataset: Dataset, index: Index, encoder: FeatureEncoder | None
) -> UserTextMaker:
    """What describes users, and encodes the texts with the encoder of the items' texts."""
    features = settings.features
    if encoder is None and TEXT not in features.encoders:
        raise ConfigError(f"evidence.{USER_TEXT}: expected a text encoder, `encoders.text`, found none")

    def encode(by: FeatureEncoder, texts: list[bytes | None]) -> Features:
        found, _ = extract_features(
            by, texts, features.cache, features.batch_size, USER_TEXT, _engine(features), open_features(features.store)
        )
        _log.info(f"{USER_TEXT} features ({found.encoder}): {int(found.present[: index.n_users].sum()):,} of {index.n_users:,} users")
        return found

    change = settings.allows(USER_TEXT)
    made_by = features.encoders[TEXT]() if encoder is None else encoder
    return UserTextMaker(template, dataset, index, made_by, encode, change if isinstance(change, str) else None, settings.seed)


def load_words(settings: EvidenceSettings, dataset: Dataset, index: Index) -> Words | None:
    """The words of the texts, if allowed, changed as their vectors are."""
    if not settings.allows(TEXT) or not dataset.text_columns:
        return None
    words = find_words(item_texts(index.align(dataset.items), dataset.text_columns))
    if words is not None and isinstance(change := settings.allows(TEXT), str):
        return change_words(words, change, torch.Generator().manual_seed(settings.seed))
    return words


def load_queries(settings: EvidenceSettings, evidence: Evidence, behavior: pl.DataFrame, people: pl.Series | None = None) -> QueryEvidence:
    """Encode the texts of all queries; texts of items are left out where they are not allowed, or changed."""
    index, columns = evidence.index, evidence.dataset.text_columns
    encoder = evidence.inputs[TEXT].encoder if TEXT in evidence.inputs else _Encoders(settings.features.encoders).of(TEXT, RawInput(("",)))
    asked = asked_by(evidence.dataset) if settings.personal else None
    named = None if asked is None else index.user_ids.to_frame().join(asked, on=USER_ID, how="left", maintain_order="left")
    texts = (index.user_ids if named is None else named[QUERY]).to_list()
    engine, store = _engine(settings.features), open_features(settings.features.store)
    raw = [text.encode() for text in texts]
    features, _ = extract_features(encoder, raw, settings.features.cache, settings.features.batch_size, TEXT, engine, store)
    allowed = settings.allows(TEXT) if columns else False
    items = tuple((text or b"").decode() for text in item_texts(index.align(evidence.dataset.items), columns if allowed else ()))
    items = items or ("",) * index.n_items
    if isinstance(allowed, str):
        items = change_texts(items, allowed, torch.Generator().manual_seed(settings.seed))
    people = behavior[USER_ID].unique().sort() if people is None else people
    pairs = Interactions(indices_of(behavior[USER_ID], people), index.item_idx(behavior[ITEM_ID]))
    person = None if named is None else indices_of(named[PERSON], people)
    all_rows = index.interactions(evidence.dataset.interactions)
    found = Queries(tuple(texts), features, items, pairs, len(people), person)
    return QueryEvidence(found, encoder, all_rows, asked, people)


def _check_names(settings: EvidenceSettings, dataset: Dataset) -> None:
    """Raise ConfigError for configured evidence and encoders that the data do not have."""
    further = dict.fromkeys(name for name in (*dataset.vectors, *dataset.further_inputs) if name not in MODALITIES)
    for name in further:
        if hasattr(torch.nn.ModuleDict(), name):
            key = "features" if name in dataset.vectors else "inputs"
            raise ConfigError(f"data.{key}.{name}: this name is reserved by torch; choose another")
    known = (*MODALITIES, USER_TEXT, *further)
    for name in settings.allowed:
        if name not in known:
            raise ConfigError(f"evidence.{name}: the data have no such evidence; {nearest(name, known)}")
    for name in settings.features.encoders:
        if name not in (TEXT, IMAGE, *further):
            raise ConfigError(
                f"encoders.{name}: the data have no input of this name, see data.inputs; {nearest(name, (TEXT, IMAGE, *further))}"
            )


def _any_there(pictures: Sequence[bytes | None]) -> bool:
    """Whether any picture exists or cannot be read, which is to be reported."""
    try:
        return any(pictures[position] is not None for position in range(len(pictures)))
    except ValueError:
        return True


def _engine(settings: FeatureSettings) -> Engine:
    if settings.engine not in ("local", "ray"):
        raise ConfigError(f"features.engine: expected local or ray, found `{settings.engine}`")
    if settings.engine == "local":
        return encode_here
    from mmrec.data.features.ray import ray_engine  # optional dependency

    return ray_engine(settings.n_workers)


def load_graph(
    settings: EvidenceSettings, dataset: Dataset, index: Index, encoder: FeatureEncoder | None
) -> tuple[Graph | None, tuple[str, ...]]:
    """Build the graph, encode its text literals like item texts, and add a note if these are left out."""
    if not settings.allows(KG) or (dataset.triples is None and not settings.graph.item_columns):
        return None, ()
    built = build_graph(dataset, settings.graph.item_columns, settings.graph.separator)
    graph = prune(drop_inverse_relations(built), settings.graph.min_degree)
    tensors = to_tensors(graph, index.item_ids.to_list())
    aligned, literals = int((tensors.item_entity >= 0).sum()), len(graph.literals)
    _log.info(
        f"knowledge graph: {tensors.n_entities:,} entities, {len(tensors.edge_type):,} triples, {tensors.n_relations} relations"
        + (f", {literals:,} literals" if literals else "")
        + f"; {aligned:,} of {index.n_items:,} items are in it"
    )
    tensors, notes = _with_texts(settings.features, tensors, texts_of(graph.literals, tensors.entities), encoder)
    if isinstance(change := settings.allows(KG), str):
        tensors = change_graph(tensors, change, torch.Generator().manual_seed(settings.seed))
    return tensors if aligned and (len(tensors.edge_type) or tensors.literals) else None, notes


def _with_texts(
    settings: FeatureSettings, graph: Graph, texts: Mapping[int, str], encoder: FeatureEncoder | None
) -> tuple[Graph, tuple[str, ...]]:
    """Add the texts of entities to the graph as literals; without an encoder, add a note instead."""
    if not texts:
        return graph, ()
    if encoder is None:
        note = f"text literals are left out, {len(texts):,} entities have some: no text encoder is in use for texts of the items"
        _log.info(f"  {note}")
        return graph, (note,)
    values = [text.encode() for text in texts.values()]
    engine, store = _engine(settings), open_features(settings.store)
    features, _ = extract_features(encoder, values, settings.cache, settings.batch_size, KG, engine, store)
    return add_texts(graph, list(texts), features), ()
