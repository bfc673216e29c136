"""Create what a training needs: data module, specification of the data, fitted priors, and the model."""

import logging
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from mmrec.argument_errors import name_key_in_errors
from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.errors import ConfigError
from mmrec.experiment.encoders.tuned import add_encoders
from mmrec.experiment.evidence import Evidence
from mmrec.experiment.settings import ModelSettings, SplitData, TrainingSettings
from mmrec.experiment.tuning.lift import holds_out_new_items
from mmrec.kg.literals import standardize
from mmrec.models.auxiliary import add_auxiliary
from mmrec.models.fold_in import occurring
from mmrec.models.multimodal.fusion import FusionRecommender
from mmrec.models.multimodal.users.adapted_history import AdaptedHistory
from mmrec.models.priors.grid import describe_choices
from mmrec.models.priors.held_out import fit_with_holdout
from mmrec.models.recommender import ClosedFormRecommender, Recommender
from mmrec.models.time.interest_decay import InterestDecay
from mmrec.nn.encoders.pretrained import TrainableEncoder
from mmrec.types import DatasetSpec, Interactions

_log = logging.getLogger(__name__)


def make_data_module(settings: TrainingSettings, evidence: Evidence, folder: Path) -> SplitData:
    """The data module for the split tables in `folder`."""
    return settings.data_module(split=folder, index=evidence.index)


def make_spec(evidence: Evidence, data: SplitData) -> DatasetSpec:
    """Everything a model or baseline may know: the training part of a data module, and all allowed evidence."""
    return spec_of(evidence, data.train_interactions)


def spec_of(evidence: Evidence, train: Interactions) -> DatasetSpec:
    """Everything a model or baseline may know: the rows of a training part, and all allowed evidence."""
    index = evidence.index
    graph = evidence.graph and standardize(evidence.graph, occurring(train.item_idx, index.n_items))
    queries = None if evidence.queries is None else evidence.queries.of_part(train)
    texts = None if evidence.user_texts is None else evidence.user_texts.make(train)
    users = None if evidence.dataset.users is None else index.align_users(evidence.dataset.users)
    items = index.align(evidence.dataset.items)
    known = DatasetSpec(index.n_users, index.n_items, train, evidence.features, graph, evidence.inputs, evidence.words, queries, texts)
    return replace(known, user_table=users, item_table=items)


class Priors(dict[str, Any]):
    """The fitted `linear` and `trend`, which initialise a model and are added to its scores, and `time`, which weights histories.

    None if not configured, if the model does not take them, or if it may not use interactions. `chosen` has the choices made by validation.
    """

    chosen: dict[str, Any]


def fit_priors(settings: ModelSettings, spec: DatasetSpec, valid: EvaluationSet, k: int) -> Priors:
    """Fit the priors in closed form, with hyperparameters chosen on the validation part at cutoff `k`, and log the choices."""
    wanted = {name: make for name, make in settings.priors.items() if name in settings.kind.parts_taken and settings.uses_interactions}
    start, priors = time.perf_counter(), Priors(linear=None, trend=None, time=None)
    priors.chosen = {}
    find = fit_with_holdout if holds_out_new_items(spec, valid, share=0.5) else _fit_prior
    for name, make in wanted.items():
        prior = name_key_in_errors(name, make)
        fit = _fit_prior if isinstance(prior, ClosedFormRecommender | InterestDecay) else find
        priors[name] = name_key_in_errors(name, lambda: fit(prior, spec, valid, k))  # noqa: B023
        if chosen := getattr(prior, "chosen", None):
            priors.chosen[name] = chosen
            for line in prior.describe() if isinstance(prior, InterestDecay) else [describe_choices(chosen)]:
                _log.info(f"{name}: {line}")
    if wanted:
        _log.info(f"{' and '.join(wanted)}: fitted in {time.perf_counter() - start:.0f} s")
    return priors


def _fit_prior(prior: Any, spec: DatasetSpec, valid: EvaluationSet, k: int) -> Any:
    return prior.fit(spec) if isinstance(prior, ClosedFormRecommender) else prior.fit(spec, valid, k)


def make_model(settings: ModelSettings, spec: DatasetSpec, priors: dict[str, Any], seed: int) -> Recommender:
    """Create a model initialised from a seed, with the parts and priors that its class takes.

    Models in closed form are not fitted yet.
    """
    torch.manual_seed(seed)
    takes = settings.kind.parts_taken
    if not settings.uses_interactions and "backbone" not in takes:
        raise ConfigError("evidence.collaborative: this model learns from interactions; only model=fusion can do without")
    if issubclass(settings.kind, ClosedFormRecommender):
        return name_key_in_errors("model", settings.make)
    lacking = {"backbone": not settings.uses_interactions, "kg_encoder": spec.graph is None}
    parts = {name: None if lacking.get(name) else make() for name, make in settings.parts.items()}
    if "encoders" in takes:
        parts["encoders"] = {
            name: one.encoder.network() for name, one in spec.item_inputs.items() if isinstance(one.encoder, TrainableEncoder)
        }
    taken = {name: part for name, part in (parts | priors).items() if name in takes and name != "time"}
    model = name_key_in_errors("model", lambda: settings.make(spec=spec, **taken))
    if isinstance(model, FusionRecommender) and priors.get("time") is not None:
        model.weigh_history(spec, priors["time"])
    if isinstance(model, FusionRecommender) and (few_shot := settings.few_shot) is not None:
        model.history = AdaptedHistory(spec, name_key_in_errors("few_shot", lambda: few_shot(embedding_dim=model.embedding_dim)), seed)
    if settings.encoders is not None:
        add_encoders(model, settings.encoders, spec)
    add_auxiliary(model, settings.auxiliary, spec.graph)
    return model
