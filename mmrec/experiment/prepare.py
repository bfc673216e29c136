"""From a configuration to what a model is built from: data, split, features, graph. Shared by the verbs that need a model."""

import logging
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningDataModule
from omegaconf import DictConfig, OmegaConf

from mmrec.config import build, read_model, refine, target
from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.data.features.align import align_vectors
from mmrec.data.features.counterfactual import change_features, change_graph
from mmrec.data.features.extract import Engine, encode_here, extract_features
from mmrec.data.features.texts import item_texts
from mmrec.data.interactions.filter import filter_interactions
from mmrec.data.interactions.index import Index, check_catalogue
from mmrec.data.interactions.leakage import flag_columns, flag_relations, forget_future
from mmrec.data.interactions.split import Split
from mmrec.data.interactions.split_rules import check_parts
from mmrec.data.pictures.urls import read_all_pictures
from mmrec.errors import ConfigError, DataError
from mmrec.evaluation.measure.item_groups import check_item_column
from mmrec.experiment.run_files import read_table
from mmrec.files.storage import write_parquet
from mmrec.files.store import Store, open_store
from mmrec.kg.graph import build_graph, drop_inverse_relations, prune, to_tensors
from mmrec.models.recommender import ClosedFormRecommender, GradientRecommender, Recommender
from mmrec.terminal import say
from mmrec.types import IMAGE, ITEM_ID, OTHERS, TEXT, TIMESTAMP, Dataset, DatasetSpec, Features, Graph, UnusableInput


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


def quiet_lightning() -> None:
    """Silences what no one here can act on: Lightning's tips and its own use of torch. To be called when it is imported: it resets both."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=r".isinstance\(treespec, LeafSpec\). is deprecated", category=FutureWarning)


def open_features(url: str | None) -> Store | None:
    """The store of features that `features.store` names, which need not be there yet; raises as `open_store`."""
    return None if url is None else open_store(url, "features.store", whole=False)


def load_evidence(cfg: DictConfig) -> Evidence:
    """Reads the dataset, extracts or looks up features, builds the graph; only what `evidence` allows and the data has."""
    dataset = filter_interactions(build(cfg, "data"), **cfg.filter)
    check_item_column(dataset.items, cfg.evaluation.item_column)
    check_catalogue(dataset)
    index = Index.build(dataset, cfg.seed)
    say(f"{dataset.name}: {len(dataset.interactions):,} interactions, {index.n_users:,} users, {index.n_items:,} items")
    for note in (*dataset.counts, *dataset.notes):
        say(f"  {note}")
    dataset, hindsight = _without_hindsight(cfg, dataset)
    start = time.perf_counter()
    features, notes = _load_features(cfg, dataset, index)
    features_s = time.perf_counter() - start
    return Evidence(dataset, index, features, _load_graph(cfg, dataset, index), dataset.notes + hindsight + notes, features_s)


def make_split(cfg: DictConfig, evidence: Evidence, folder: Path) -> Split:
    """Splits the interactions and writes the three tables.

    Raises DataError, and writes none, where a part is empty, and where a run that is resumed began with other rows.
    """
    split: Split = build(cfg, "split")(evidence.dataset.interactions)
    say(f"split {split.name}: {len(split.train):,} train, {len(split.valid):,} valid, {len(split.test):,} test")
    for note in split.notes:
        say(f"  {note}")
    parts = {part: getattr(split, part) for part in ("train", "valid", "test")}
    check_parts(split.name, [len(table) for table in parts.values()])
    for part, table in parts.items():
        path = folder / f"{part}.parquet"
        if cfg.resume is not None and path.is_file() and not read_table(path).equals(table):
            raise DataError(f"resume: {path} is not what the data give now; put back the files that the run began with, or start a new run")
    for part, table in parts.items():
        write_parquet(folder / f"{part}.parquet", table)
    return split


def make_data_module(cfg: DictConfig, evidence: Evidence, folder: Path) -> LightningDataModule:
    """The data module over the split tables in `folder`."""
    return build(cfg, "data_module")(split_dir=folder, index=evidence.index)


def make_spec(evidence: Evidence, data: LightningDataModule) -> DatasetSpec:
    """What a model or a baseline may know: the training part of a data module that is set up, and all allowed evidence."""
    return DatasetSpec(evidence.index.n_users, evidence.index.n_items, data.train_interactions, evidence.features, evidence.graph)


def model_name(cfg: DictConfig) -> str:
    """What a run calls the model that it trains: `model.name`. Runs from before that key went by the last part of the model's module."""
    return str(cfg.model.get("name") or cfg.model._target_.split(".")[-2])


def model_class(cfg: DictConfig) -> type[Recommender]:
    """The class of the model. Raises ConfigError where it is none."""
    found = target(cfg, "model")
    if not (isinstance(found, type) and issubclass(found, ClosedFormRecommender | GradientRecommender)):
        raise ConfigError(f"model._target_: expected a ClosedFormRecommender or a GradientRecommender, came `{cfg.model._target_}`")
    return found


def fit_priors(cfg: DictConfig, spec: DatasetSpec, valid: EvaluationSet) -> dict[str, Any]:
    """What a model starts from and adds to its scores, fitted in closed form and chosen on the validation part: `linear` and `trend`.

    None where the configuration has none, or the model takes none or may not use interactions.
    """
    takes = model_class(cfg).parts_taken
    wanted = [name for name in ("linear", "trend") if cfg[name] and name in takes and cfg.evidence.collaborative]
    start = time.perf_counter()
    fitted = {name: refine(name, lambda: build(cfg, name)().fit(spec, valid, max(cfg.task.ks))) for name in wanted}  # noqa: B023
    if fitted:
        say(f"{' and '.join(fitted)}: fitted in {time.perf_counter() - start:.0f} s")
    return {"linear": None, "trend": None} | fitted


def make_model(cfg: DictConfig, spec: DatasetSpec, priors: dict[str, Any]) -> Recommender:
    """A fresh model, drawn from `cfg.seed`, with those of its parts and of what `fit_priors` gave that its class takes.

    One in closed form is not fitted yet.
    """
    torch.manual_seed(cfg.seed)
    settings, _ = read_model(cfg, "model")
    model, takes = build(OmegaConf.create({"model": settings}), "model"), model_class(cfg).parts_taken
    if not cfg.evidence.collaborative and "backbone" not in takes:
        raise ConfigError("evidence.collaborative: this model learns from interactions; only model=fusion can do without")
    if issubclass(model_class(cfg), ClosedFormRecommender):
        return refine("model", model)
    parts: dict[str, Any] = {
        "fusion": build(cfg, "fusion"),
        "backbone": build(cfg, "backbone") if cfg.evidence.collaborative else None,
        "kg_encoder": build(cfg, "kg_encoder") if spec.graph else None,
        **priors,
    }
    return refine("model", lambda: model(spec=spec, **{name: part for name, part in parts.items() if name in takes}))


def _without_hindsight(cfg: DictConfig, dataset: Dataset) -> tuple[Dataset, tuple[str, ...]]:
    """The dataset without triples that became known too late for the split, and notes on all evidence that may know held-out rows."""
    triples, notes = dataset.triples, ()
    if cfg.evidence.kg:
        if triples is not None and TIMESTAMP in triples.columns:
            triples, notes = forget_future(triples, build(cfg, "split")(dataset.interactions))
        notes += flag_columns(dataset.items, cfg.graph.item_columns, "graph.item_columns")
        notes += () if triples is None else flag_relations(triples)
    if cfg.evidence.text and TEXT not in dataset.vectors:
        notes += flag_columns(dataset.items, dataset.text_columns, "data.text_columns")
    for note in notes:
        say(f"  {note}")
    return replace(dataset, triples=triples), notes


def _load_features(cfg: DictConfig, dataset: Dataset, index: Index) -> tuple[dict[str, Features], tuple[str, ...]]:
    items, cache, size = index.align(dataset.items), Path(cfg.paths.cache), cfg.features.batch_size
    features: dict[str, Features] = {}
    problems: list[UnusableInput] = []
    engine, store = _engine(cfg), open_features(cfg.features.store)
    for name, vectors in dataset.vectors.items():
        if hasattr(torch.nn.ModuleDict(), name):
            raise ConfigError(f"data.features.{name}: torch has a use of its own for this name; choose another")
        if _allowed(cfg, name):
            features[name] = align_vectors(vectors, index)
    if cfg.evidence.text and dataset.text_columns and TEXT not in features:
        texts = item_texts(items, dataset.text_columns)
        features[TEXT], problems = extract_features(build(cfg, "text_encoder"), texts, cache, size, TEXT, engine, store)
    if cfg.evidence.image and dataset.image_column and IMAGE not in features:
        pictures, unread = read_all_pictures(dataset, items[ITEM_ID], cache)
        problems = problems + unread
        if _any_there(pictures):  # an encoder may be a large download
            features[IMAGE], undecoded = extract_features(build(cfg, "image_encoder"), pictures, cache, size, IMAGE, engine, store)
            problems = problems + undecoded
        elif unread:
            say(f"image features: none, for no picture of {len(unread):,} items that name one can be read")
    for name, found in features.items():
        say(f"{name} features ({found.encoder}): {int(found.present.sum()):,} of {len(items):,} items")
    notes = tuple(f"item `{items[ITEM_ID][p.position]}`: {p.reason}" for p in problems)
    for note in notes[:20]:
        say(f"  {note}")
    if len(notes) > 20:
        say(f"  … and {len(notes) - 20:,} more, all of them in run.json")
    for name in features:
        if isinstance(change := _allowed(cfg, name), str):
            features[name] = change_features(features[name], change, torch.Generator().manual_seed(cfg.seed))
    order = sorted(features, key=lambda name: (TEXT, IMAGE, name).index(name))  # a stable one: further modalities as they were named
    return {name: features[name] for name in order if features[name].present.any()}, notes


def _allowed(cfg: DictConfig, modality: str) -> bool | str:
    """What `evidence` says of features."""
    return cfg.evidence[modality if modality in (TEXT, IMAGE) else OTHERS]


def _any_there(pictures: Sequence[bytes | None]) -> bool:
    """Whether there is one, or one of which more is to be said."""
    try:
        return any(pictures[position] is not None for position in range(len(pictures)))
    except ValueError:
        return True


def _engine(cfg: DictConfig) -> Engine:
    if cfg.features.engine not in ("local", "ray"):
        raise ConfigError(f"features.engine: expected local or ray, found `{cfg.features.engine}`")
    if cfg.features.engine == "local":
        return encode_here
    from mmrec.data.features.ray import ray_engine  # starts the cluster

    return ray_engine(cfg.features.n_workers)


def _load_graph(cfg: DictConfig, dataset: Dataset, index: Index) -> Graph | None:
    if not cfg.evidence.kg or (dataset.triples is None and not cfg.graph.item_columns):
        return None
    graph = drop_inverse_relations(build_graph(dataset, cfg.graph.item_columns, cfg.graph.separator))
    tensors = to_tensors(prune(graph, cfg.graph.min_degree), index.item_ids.to_list())
    aligned = int((tensors.item_entity >= 0).sum())
    say(
        f"knowledge graph: {tensors.n_entities:,} entities, {len(tensors.edge_type):,} triples, {tensors.n_relations} relations; "
        f"{aligned:,} of {index.n_items:,} items are in it"
    )
    if isinstance(cfg.evidence.kg, str):
        tensors = change_graph(tensors, cfg.evidence.kg, torch.Generator().manual_seed(cfg.seed))
    return tensors if aligned and len(tensors.edge_type) else None
