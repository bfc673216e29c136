"""What a model is made from, read and prepared: dataset, split, features, graph."""

import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from mmrec.data.features.align import align_vectors
from mmrec.data.features.counterfactual import change_features, change_graph, change_words
from mmrec.data.features.extract import Engine, encode_here, extract_features
from mmrec.data.features.texts import item_texts
from mmrec.data.features.words import find_words
from mmrec.data.interactions.filter import filter_interactions
from mmrec.data.interactions.index import Index, check_catalogue
from mmrec.data.interactions.leakage import flag_columns, flag_relations, forget_future
from mmrec.data.interactions.split import Split
from mmrec.data.interactions.split_rules import check_parts
from mmrec.data.pictures.urls import read_all_pictures
from mmrec.errors import ConfigError, DataError
from mmrec.evaluation.measure.item_groups import check_item_column
from mmrec.experiment.run_folder.files import read_table
from mmrec.experiment.settings import EvidenceSettings, FeatureSettings
from mmrec.files.storage import write_parquet
from mmrec.files.store import Store, open_store
from mmrec.kg.graph import build_graph, drop_inverse_relations, prune, to_tensors
from mmrec.types import IMAGE, ITEM_ID, KG, OTHERS, TEXT, TIMESTAMP, Dataset, Features, Graph, UnusableInput, Words

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Evidence:
    """What is known of the items, whatever the split."""

    dataset: Dataset
    index: Index
    features: dict[str, Features]
    graph: Graph | None
    notes: tuple[str, ...]
    """What the data's reader and the features found odd."""
    features_s: float
    words: Words | None = None


def open_features(url: str | None) -> Store | None:
    """The store of features that `features.store` names, which need not be there yet; raises as `open_store`."""
    return None if url is None else open_store(url, "features.store", whole=False)


def load_evidence(settings: EvidenceSettings) -> Evidence:
    """Reads the dataset, extracts or looks up features, builds the graph; only what is allowed and the data has."""
    dataset = filter_interactions(settings.dataset(), **asdict(settings.filter))
    check_item_column(dataset.items, settings.item_column)
    check_catalogue(dataset)
    index = Index.build(dataset, settings.seed)
    _log.info(f"{dataset.name}: {len(dataset.interactions):,} interactions, {index.n_users:,} users, {index.n_items:,} items")
    for note in (*dataset.counts, *dataset.notes):
        _log.info(f"  {note}")
    dataset, hindsight = _without_hindsight(settings, dataset)
    start = time.perf_counter()
    features, notes = _load_features(settings, dataset, index)
    features_s = time.perf_counter() - start
    graph, words = _load_graph(settings, dataset, index), _load_words(settings, dataset, index)
    return Evidence(dataset, index, features, graph, dataset.notes + hindsight + notes, features_s, words)


def make_split(settings: EvidenceSettings, evidence: Evidence, folder: Path, is_resumed: bool = False) -> Split:
    """Splits the interactions and writes the three tables.

    Raises DataError, and writes none, where a part is empty, and where a run that is resumed began with other rows.
    """
    split = settings.split(evidence.dataset.interactions)
    _log.info(f"split {split.name}: {len(split.train):,} train, {len(split.valid):,} valid, {len(split.test):,} test")
    for note in split.notes:
        _log.info(f"  {note}")
    parts = {part: getattr(split, part) for part in ("train", "valid", "test")}
    check_parts(split.name, [len(table) for table in parts.values()])
    for part, table in parts.items():
        path = folder / f"{part}.parquet"
        if is_resumed and path.is_file() and not read_table(path).equals(table):
            raise DataError(f"resume: {path} is not what the data give now; put back the files that the run began with, or start a new run")
    for part, table in parts.items():
        write_parquet(folder / f"{part}.parquet", table)
    return split


def _without_hindsight(settings: EvidenceSettings, dataset: Dataset) -> tuple[Dataset, tuple[str, ...]]:
    """The dataset without triples that became known too late for the split, and notes on all evidence that may know held-out rows."""
    triples, notes = dataset.triples, tuple[str, ...]()
    if settings.allowed[KG]:
        if triples is not None and TIMESTAMP in triples.columns:
            triples, notes = forget_future(triples, settings.split(dataset.interactions))
        notes += flag_columns(dataset.items, settings.graph.item_columns, "graph.item_columns")
        notes += () if triples is None else flag_relations(triples)
    if settings.allowed[TEXT] and TEXT not in dataset.vectors:
        notes += flag_columns(dataset.items, dataset.text_columns, "data.text_columns")
    for note in notes:
        _log.info(f"  {note}")
    return replace(dataset, triples=triples), notes


def _load_features(settings: EvidenceSettings, dataset: Dataset, index: Index) -> tuple[dict[str, Features], tuple[str, ...]]:
    items, cache, size = index.align(dataset.items), settings.features.cache, settings.features.batch_size
    encoders, features = settings.features.encoders, dict[str, Features]()
    problems: list[UnusableInput] = []
    engine, store = _engine(settings.features), open_features(settings.features.store)
    for name, vectors in dataset.vectors.items():
        if hasattr(torch.nn.ModuleDict(), name):
            raise ConfigError(f"data.features.{name}: torch has a use of its own for this name; choose another")
        if _allowed(settings, name):
            features[name] = align_vectors(vectors, index)
    if settings.allowed[TEXT] and dataset.text_columns and TEXT not in features:
        texts = item_texts(items, dataset.text_columns)
        features[TEXT], problems = extract_features(encoders[TEXT](), texts, cache, size, TEXT, engine, store)
    if settings.allowed[IMAGE] and dataset.image_column and IMAGE not in features:
        pictures, unread = read_all_pictures(dataset, items[ITEM_ID], cache)
        problems = problems + unread
        if _any_there(pictures):  # an encoder may be a large download
            features[IMAGE], undecoded = extract_features(encoders[IMAGE](), pictures, cache, size, IMAGE, engine, store)
            problems = problems + undecoded
        elif unread:
            _log.info(f"image features: none, for no picture of {len(unread):,} items that name one can be read")
    for name, found in features.items():
        _log.info(f"{name} features ({found.encoder}): {int(found.present.sum()):,} of {len(items):,} items")
    notes = tuple(f"item `{items[ITEM_ID][p.position]}`: {p.reason}" for p in problems)
    for note in notes[:20]:
        _log.info(f"  {note}")
    if len(notes) > 20:
        _log.info(f"  … and {len(notes) - 20:,} more, all of them in run.json")
    for name in features:
        if isinstance(change := _allowed(settings, name), str):
            features[name] = change_features(features[name], change, torch.Generator().manual_seed(settings.seed))
    order = sorted(features, key=lambda name: (TEXT, IMAGE, name).index(name))  # a stable one: further modalities as they were named
    return {name: features[name] for name in order if features[name].present.any()}, notes


def _load_words(settings: EvidenceSettings, dataset: Dataset, index: Index) -> Words | None:
    """The words of the texts that are allowed, changed as their vectors are."""
    if not settings.allowed[TEXT] or not dataset.text_columns:
        return None
    words = find_words(item_texts(index.align(dataset.items), dataset.text_columns))
    if words is not None and isinstance(change := settings.allowed[TEXT], str):
        return change_words(words, change, torch.Generator().manual_seed(settings.seed))
    return words


def _allowed(settings: EvidenceSettings, modality: str) -> bool | str:
    """Whether features may be used, and how they are changed."""
    return settings.allowed[modality if modality in (TEXT, IMAGE) else OTHERS]


def _any_there(pictures: Sequence[bytes | None]) -> bool:
    """Whether there is one, or one of which more is to be said."""
    try:
        return any(pictures[position] is not None for position in range(len(pictures)))
    except ValueError:
        return True


def _engine(settings: FeatureSettings) -> Engine:
    if settings.engine not in ("local", "ray"):
        raise ConfigError(f"features.engine: expected local or ray, found `{settings.engine}`")
    if settings.engine == "local":
        return encode_here
    from mmrec.data.features.ray import ray_engine  # starts the cluster

    return ray_engine(settings.n_workers)


def _load_graph(settings: EvidenceSettings, dataset: Dataset, index: Index) -> Graph | None:
    if not settings.allowed[KG] or (dataset.triples is None and not settings.graph.item_columns):
        return None
    graph = drop_inverse_relations(build_graph(dataset, settings.graph.item_columns, settings.graph.separator))
    tensors = to_tensors(prune(graph, settings.graph.min_degree), index.item_ids.to_list())
    aligned = int((tensors.item_entity >= 0).sum())
    _log.info(
        f"knowledge graph: {tensors.n_entities:,} entities, {len(tensors.edge_type):,} triples, {tensors.n_relations} relations; "
        f"{aligned:,} of {index.n_items:,} items are in it"
    )
    if isinstance(change := settings.allowed[KG], str):
        tensors = change_graph(tensors, change, torch.Generator().manual_seed(settings.seed))
    return tensors if aligned and len(tensors.edge_type) else None
