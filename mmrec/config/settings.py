"""Convert a configuration to the typed settings of an experiment."""

import copy
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import polars as pl
from omegaconf import DictConfig, OmegaConf

from mmrec.config.build import build, target
from mmrec.config.changes import asked_changes, changed_config, composed_changes, find_changes
from mmrec.config.check import check
from mmrec.config.evidence import check_user_text, encoder_settings
from mmrec.config.places import kept_config, open_config
from mmrec.config.resume import check_resume
from mmrec.config.run_dir import name_run_dir
from mmrec.config.saved import saved_config
from mmrec.config.search import searched_space, with_values
from mmrec.config.selection import check_selection
from mmrec.config.task import (
    answers_queries,
    is_personal,
    make_task,
    part_settings,
    predicts_of,
    selecting_metric,
    task_class,
    task_metrics,
)
from mmrec.config.values import flat, merged, plain, read_model
from mmrec.data.interactions.filter import Filter
from mmrec.data.interactions.split import Split
from mmrec.data.interactions.train_share import keep_train_share
from mmrec.errors import ConfigError
from mmrec.experiment.run_folder.changes import Change, describe_changes
from mmrec.experiment.run_folder.find import find_run
from mmrec.experiment.settings import (
    Candidate,
    EvaluateSettings,
    EvidenceSettings,
    FeatureSettings,
    GraphSettings,
    ModelSearch,
    ModelSettings,
    SelectionSettings,
    TrainingSettings,
    TrainSettings,
)
from mmrec.experiment.tuning.search import Fittable
from mmrec.extras import needs
from mmrec.models.auxiliary import Auxiliary
from mmrec.models.recommender import ClosedFormRecommender, GradientRecommender
from mmrec.schemas import TrainConfig
from mmrec.terminal import is_terminal
from mmrec.types import COLLABORATIVE, LABEL, USER_TEXT

_log = logging.getLogger(__name__)
_PARTS, _PRIORS = (
    ("fusion", "backbone", "kg_encoder"),
    ("linear", "trend", "time"),
)  # parts are created in this order, with random initialisation
_SEEDED = ("data_module.seed", "task.seed", "linear.seed", "time.seed", "model.seed")


def train_settings(cfg: DictConfig, overrides: Sequence[str] | None = None) -> TrainSettings:
    """The validated settings of `mmrec train`. Raises ConfigError before any data are read.

    With `resume`, the run's own configuration is used with the given `overrides` of plain keys; if these are None, with the values in which
    `cfg` deviates from the default configuration.
    """
    cfg, changes = copy.deepcopy(cfg), None
    if cfg.resume is not None:
        cfg, changes = _resumed(cfg, overrides)
    check(cfg, TrainConfig)
    check_selection(cfg)
    encoder_settings(cfg, target(cfg, "model"))
    check_user_text(cfg)
    _check_loggers(cfg)
    run_dir = name_run_dir(cfg)
    ours = _searched(cfg, "model")
    return TrainSettings(
        run_dir=run_dir,
        evidence=evidence_settings(cfg),
        seeds=range(cfg.seed, cfg.seed + cfg.n_seeds),
        training=partial(training_settings, cfg, is_saved=changes is not None),
        baselines=[candidate(cfg, name) for name in cfg.baselines if _searched(cfg, f"baselines.{name}") != ours],
        tuned_in=None if cfg.tuned_in is None else find_run(cfg.tuned_in, "tuned_in"),
        auc=cfg.evaluation.auc,
        report=cfg.evaluation.report,
        config=_kept_text(cfg),
        changes=changes,
        search=_model_search(cfg, changes is not None),
    )


def _kept_text(cfg: DictConfig) -> str:
    return OmegaConf.to_yaml(kept_config(cfg))


def _model_search(cfg: DictConfig, is_saved: bool) -> ModelSearch | None:
    """The configured hyperparameter search. Raises ConfigError as `searched_space` does."""
    if not (space := searched_space(cfg)):
        return None
    return ModelSearch(
        minutes=cfg.tune.minutes,
        space=space,
        start={key: OmegaConf.select(cfg, key) for key in space},
        training=lambda seed, values: training_settings(with_values(cfg, values), seed, is_saved),
        config=lambda values: _kept_text(with_values(cfg, values)),
        fits=cfg.tune.get("fits"),
        pruner=cfg.tune.get("pruner", "none"),
    )


def evaluate_settings(cfg: DictConfig) -> EvaluateSettings:
    """The settings of `mmrec evaluate`: those of the run's training, with the caller's paths and `data`."""
    run_dir = find_run(cfg.run)
    named = {f"data.{key}": value for key, value in cfg.data.items() if value is not None}
    saved = merged(open_config(run_dir, cfg, named), {"trusted_packages": cfg.trusted_packages})
    for key, value in named.items():
        OmegaConf.update(saved, key, value)
    check(saved, TrainConfig)
    return EvaluateSettings(run_dir, evidence_settings(saved), partial(training_settings, saved, is_saved=True))


def without_progress_bar(settings: TrainSettings) -> TrainSettings:
    """Return the same settings without progress bars."""

    def of_seed(seed: int) -> TrainingSettings:
        return replace(settings.training(seed), progress_bar=False)

    search = settings.search
    if search is None:
        return replace(settings, training=of_seed)
    searched = search.training
    quiet = replace(search, training=lambda seed, values: replace(searched(seed, values), progress_bar=False))
    return replace(settings, training=of_seed, search=quiet)


def saved_training(run_dir: Path) -> TrainingSettings:
    """The training settings of a run's first seed, from its folder only, without places. Raises ConfigError if they are invalid."""
    cfg = saved_config(run_dir)
    check(cfg, TrainConfig)  # a run folder may come from anywhere
    return training_settings(cfg, cfg.seed)


def evidence_settings(cfg: DictConfig) -> EvidenceSettings:
    """The settings of the data in a configuration of `mmrec train`."""
    features = FeatureSettings(
        encoders={name: partial(build, cfg, f"encoders.{name}") for name in cfg.encoders},
        cache=Path(cfg.paths.cache),
        **plain(cfg.features),
    )
    return EvidenceSettings(
        dataset=partial(build, cfg, "data"),
        split=_split(cfg),
        filter=Filter(**plain(cfg.filter)),
        allowed=plain(cfg.evidence),
        further=cfg.further_evidence,
        features=features,
        graph=GraphSettings(**plain(cfg.graph)),
        item_column=cfg.evaluation.item_column,
        seed=cfg.seed,
        of_impressions=LABEL in task_class(cfg).columns,
        answers_queries=answers_queries(cfg),
        personal=is_personal(cfg),
        user_text=partial(build, cfg, USER_TEXT) if cfg.user_text else None,
    )


def _split(cfg: DictConfig, key: str = "split") -> Callable[[pl.DataFrame], Split]:
    """The configured split, with a fraction of its training part."""
    split, share, seed = _called(cfg, key), cfg.train_share, cfg.seed
    return lambda interactions: keep_train_share(split(interactions), share, seed)


def training_settings(cfg: DictConfig, seed: int, is_saved: bool = False) -> TrainingSettings:
    """The settings of the training with one seed in a configuration of `mmrec train`.

    In a saved configuration, keys that follow the seed contain the first seed's number; `is_saved` makes them follow `seed` again.
    """
    first, cfg = cfg.seed, copy.deepcopy(cfg)
    for key in (*_SEEDED, *(f"linear.models.{name}.seed" for name in (cfg.linear or {}).get("models") or ())):
        if is_saved and OmegaConf.select(cfg, key) == first:
            OmegaConf.update(cfg, key, seed)
    cfg.seed = seed
    model = _model_settings(cfg)
    return TrainingSettings(
        seed=seed,
        model=model,
        candidate=_candidate(cfg, "model", model.name),
        data_module=_called(cfg, "data_module"),
        task=partial(make_task, cfg),
        task_kind=task_class(cfg),
        trainer=_called(cfg, "trainer"),
        loggers=partial(_make_loggers, cfg),
        selection=SelectionSettings(selecting_metric(cfg), cfg.selection.patience, Path(cfg.paths.cache) / "baselines"),
        measures=task_metrics(cfg),
        parts=part_settings(cfg, partial(_split, cfg)),
        every_n_steps=cfg.checkpoint.every_n_steps,
        progress_bar=bool(cfg.trainer.enable_progress_bar and is_terminal()),
        resume=None if cfg.resume is None else Path(cfg.resume),
    )


def candidate(cfg: DictConfig, name: str) -> Candidate:
    """The settings of one baseline."""
    return _candidate(cfg, f"baselines.{name}", name)


def _candidate(cfg: DictConfig, key: str, name: str) -> Candidate:
    fixed, beside = read_model(cfg, key)

    def make(**setting: Any) -> Fittable:
        node = OmegaConf.create(fixed)
        for part, value in setting.items():
            OmegaConf.update(node, part, value)
        made: Fittable = build(OmegaConf.create({name: node}), name)()
        return made

    space: dict[str, Any] = dict(flat(beside.get("space") or {}))
    return Candidate(
        name,
        make,
        fixed,
        space,
        beside.get("n_trials", 1),
        tuple(beside.get("capped") or ()),
        tuple(beside.get("first") or ()),
        beside.get("for_new_items", False),
        predicts_of(target(cfg, key)),
    )


def _searched(cfg: DictConfig, key: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A model with its search space, by which equal nodes are identified."""
    fixed, beside = read_model(cfg, key)
    return fixed, {name: value for name, value in beside.items() if name != "for_new_items"}


def _model_settings(cfg: DictConfig) -> ModelSettings:
    settings, kind = OmegaConf.create({"model": read_model(cfg, "model")[0]}), target(cfg, "model")
    if not (isinstance(kind, type) and issubclass(kind, ClosedFormRecommender | GradientRecommender)):
        raise ConfigError(f"model._target_: expected a ClosedFormRecommender or a GradientRecommender, found `{cfg.model._target_}`")
    return ModelSettings(
        name=str(cfg.model.get("name") or cfg.model._target_.split(".")[-2]),  # earlier runs without a name use that of the module
        kind=kind,
        make=_called(settings, "model"),
        parts={name: partial(build, cfg, name) for name in _PARTS},
        priors={name: _called(cfg, name) for name in _PRIORS if cfg.get(name)},
        uses_interactions=cfg.evidence.get(COLLABORATIVE, True),
        encoders=encoder_settings(cfg, kind),
        auxiliary=Auxiliary(**plain(cfg).get("auxiliary", {})),
        few_shot=_called(cfg, "few_shot") if cfg.get("few_shot") else None,
    )


def _called(cfg: DictConfig, key: str) -> Callable[..., Any]:
    """A function that builds the node at `key` and calls the result."""
    return lambda *values, **arguments: build(cfg, key)(*values, **arguments)


def _check_loggers(cfg: DictConfig) -> None:
    """Raise MissingExtra if the package of a logger is not installed; Lightning would only raise after the data are prepared."""
    for extra in map(_extra_of, cfg.logger.values()):
        if extra is not None:
            with needs(extra, f"logger={extra}"):
                import_module(extra)


def _extra_of(logger: DictConfig) -> str | None:
    return {"WandbLogger": "wandb", "MLFlowLogger": "mlflow"}.get(logger._target_.rpartition(".")[2])


def _make_loggers(cfg: DictConfig, version: str) -> list[Any]:
    """Create the loggers of one training. The `version` becomes the run name of MLflow; W&B does not get it, as it would be a run id."""
    names: dict[str | None, dict[str, str]] = {"wandb": {}, "mlflow": {"run_name": version}}
    return [build(cfg.logger, name, **names.get(_extra_of(node), {"version": version})) for name, node in cfg.logger.items()]


def _resumed(cfg: DictConfig, overrides: Sequence[str] | None) -> tuple[DictConfig, dict[str, Change]]:
    """The configuration of the run `cfg.resume` with the requested changes (`trainer.max_epochs=50`), and the changes."""
    check_resume(cfg)
    run_dir = Path(cfg.resume)
    named = None if overrides is None else asked_changes(overrides)
    saved = open_config(run_dir, cfg, named or ())
    asked = composed_changes(cfg, saved) if named is None else named
    changes = find_changes(saved, asked, run_dir)
    if changes:
        _log.info(f"resume: {describe_changes(changes)}")
    return merged(changed_config(saved, changes), {"resume": cfg.resume, "run_dir": cfg.resume, "trust_run": False}), changes
