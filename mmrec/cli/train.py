"""`mmrec train`: data to split to model to metrics to report, into one run folder."""

import copy
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint, RichProgressBar
from omegaconf import DictConfig, OmegaConf, open_dict
from rich.console import Console

from mmrec.cli.baselines import chosen, tune_baseline
from mmrec.cli.prepare import Evidence, load_evidence, make_data_module, make_model, make_spec, make_split, quiet_lightning, say
from mmrec.cli.record import describe_run, write_curves, write_model, write_results
from mmrec.config import TrainConfig, build, check
from mmrec.data.counterfactual import changes_of
from mmrec.data.storage import write_json, write_parquet, write_text
from mmrec.errors import ConfigError, MissingFile, nearest
from mmrec.evaluation.console import OURS, console_table
from mmrec.evaluation.counterfactual import counterfactuals, describe_worth, measure_counterfactuals
from mmrec.evaluation.grades import HeldOutGrades, read_grades
from mmrec.evaluation.item_groups import make_item_groups
from mmrec.evaluation.report import write_report
from mmrec.evaluation.summary import Evaluated, Result, evaluate
from mmrec.metrics.ranking import METRICS
from mmrec.models.recommender import Recommender
from mmrec.types import CONTENT, DatasetSpec, Scorer


def train(cfg: DictConfig, overrides: Sequence[str] = ()) -> Path:
    """Runs a training configuration and returns its run folder. Raises ConfigError, DataError, … before anything long begins where it can.

    With `resume` the run's own configuration is taken up again, and of this one only the `overrides` of plain keys.
    """
    start = time.perf_counter()
    quiet_lightning()
    if cfg.resume is not None:
        cfg = _resumed(cfg.resume, overrides)
    check(cfg, TrainConfig)
    check_selection(cfg)
    run_dir = _run_dir(cfg)
    evidence = load_evidence(cfg)
    split = make_split(cfg, evidence, run_dir / "split")  # the first that is written: bad data leaves no folder behind
    write_text(run_dir / "config.yaml", OmegaConf.to_yaml(cfg, resolve=True))
    results, first = _train_seeds(cfg, evidence, run_dir)
    trained_s = time.perf_counter() - start - evidence.features_s
    results += _baselines(cfg, evidence, run_dir)
    data = make_data_module(cfg, evidence, run_dir / "split")
    data.setup("test")
    write_model(run_dir, evidence, first)
    write_curves(run_dir, [result.seed for result in results if result.model == OURS])
    grouping = evidence.dataset.items, evidence.index, cfg.evaluation.item_column, cfg.graph.separator
    metrics = write_results(run_dir, evidence, split, results, data.train, data.test_set(), make_item_groups(data.train, *grouping))
    _write_counterfactuals(cfg, run_dir, first, make_spec(evidence, data), results[0], data)
    total_s = time.perf_counter() - start
    times = {
        "features_s": evidence.features_s,
        "fit_s": trained_s,
        "evaluate_s": total_s - trained_s - evidence.features_s,
        "total_s": total_s,
    }
    fit_s = {result.model: result.fit_s for result in reversed(results)}  # of the first seed
    write_json(run_dir / "run.json", describe_run(cfg, evidence, split, times, sum(p.numel() for p in first.parameters()), fit_s))
    write_report(run_dir, evidence.dataset)
    Console().print(console_table(metrics, [f"{name}@{k}" for k in cfg.task.ks for name in ("recall", "ndcg")]))
    say(f"report: {run_dir / 'report.html'}")
    return run_dir


def _train_seeds(cfg: DictConfig, evidence: Evidence, run_dir: Path) -> tuple[list[Result], Recommender]:
    """The results of all seeds, and the trained model of the first."""
    trained = [_train_one(_with_seed(cfg, cfg.seed + i), evidence, run_dir) for i in range(cfg.n_seeds)]
    return [result for result, _ in trained], trained[0][1]


def _train_one(cfg: DictConfig, evidence: Evidence, run_dir: Path) -> tuple[Result, Recommender]:
    """Trains one seed, keeps the epoch that is best on validation, and only then reads the test part."""
    data = make_data_module(cfg, evidence, run_dir / "split")
    data.setup("fit")
    model = make_model(cfg, make_spec(evidence, data))
    say(
        f"seed {cfg.seed}: {sum(p.numel() for p in model.parameters()):,} parameters"
        + (f", tokens {', '.join(model.modalities)}" if model.modalities else "")
    )
    task = build(cfg, "task")(model=model, loss=build(cfg, "loss"), optimizer=build(cfg, "optimizer"))
    folder = checkpoint_folder(run_dir, cfg.seed)
    start = time.perf_counter()
    try:
        make_trainer(cfg, folder).fit(task, datamodule=data, ckpt_path=_resume_from(cfg), weights_only=True)
    except SystemExit:  # Lightning's answer to Ctrl-C, without a word
        raise KeyboardInterrupt from None
    fit_s = time.perf_counter() - start
    load_best(model, folder)
    data.setup("test")
    measured = measure(cfg, model.freeze(), data, read_grades(run_dir / "split", evidence.index))
    return Result(OURS, cfg.seed, *measured, {}, fit_s), model


def measure(cfg: DictConfig, scorer: Scorer, data: LightningDataModule, grades: HeldOutGrades) -> tuple[Evaluated, Evaluated]:
    """A scorer on the validation and on the test users of a data module set up for test."""
    parts = (data.valid_set(), grades.valid), (data.test_set(), grades.test)
    valid, test = (evaluate(scorer, part, list(cfg.task.ks), graded, cfg.evaluation.auc) for part, graded in parts)
    return valid, test


def checkpoint_folder(run_dir: Path, seed: int) -> Path:
    """Where a seed's checkpoints are."""
    return run_dir / "checkpoints" / f"seed_{seed}"


def make_trainer(cfg: DictConfig, folder: Path) -> Trainer:
    """A Lightning trainer that stops early and keeps the best and the last checkpoint in `folder`, by the validation metric alone."""
    metric, with_bar = cfg.selection.metric, Console().is_terminal and cfg.trainer.enable_progress_bar
    callbacks: list[Callback] = [
        EarlyStopping(metric, mode="max", patience=cfg.selection.patience, check_finite=True),
        ModelCheckpoint(folder, filename="best", monitor=metric, mode="max", enable_version_counter=False),
        ModelCheckpoint(folder, filename="last", enable_version_counter=False),  # of every epoch; `save_last` is of the best ones only
        RichProgressBar() if with_bar else _EpochLines(metric),
    ]
    return build(cfg, "trainer")(logger=_loggers(cfg), callbacks=callbacks, enable_progress_bar=with_bar)  # else it adds one of its own


def load_best(model: Recommender, folder: Path) -> None:
    """Gives the model the weights of `folder/best.ckpt`. Nothing but tensors and plain values is read from the file."""
    path = folder / "best.ckpt"
    if not path.is_file():
        raise MissingFile(f"expected a checkpoint at {path}, and there is no such file")
    state = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    model.load_state_dict({name.removeprefix("model."): value for name, value in state.items()})


def _baselines(cfg: DictConfig, evidence: Evidence, run_dir: Path) -> list[Result]:
    """Every configured baseline, tuned on the validation part before the test part is read; one that the data cannot feed is left out."""
    data = make_data_module(cfg, evidence, run_dir / "split")
    data.setup("fit")
    tuned = {name: tune_baseline(cfg, name, make_spec(evidence, data), data.valid_set()) for name in cfg.baselines}
    data.setup("test")
    grades = read_grades(run_dir / "split", evidence.index)
    return [
        Result(name, cfg.seed, *measure(cfg, best.baseline, data, grades), chosen(best), best.fit_s)
        for name, best in tuned.items()
        if best is not None
    ]


def _write_counterfactuals(
    cfg: DictConfig, run_dir: Path, model: Recommender, spec: DatasetSpec, result: Result, data: LightningDataModule
) -> None:
    """What the first seed's model relies on: counterfactuals.parquet, and a sentence a modality."""
    changed = counterfactuals(model, spec, partial(make_model, cfg), cfg.seed)
    k = max(cfg.task.ks)
    table = measure_counterfactuals(result.test.ranking, changed, data.test_set(), data.train, k, cfg.seed)
    if len(table):
        write_parquet(run_dir / "counterfactuals.parquet", table)
    for sentence in describe_worth(table, f"ndcg@{k}"):
        say(sentence)


class _EpochLines(Callback):
    """One line an epoch, where there is no terminal for a progress bar."""

    def __init__(self, metric: str) -> None:
        self.metric = metric

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        values = trainer.callback_metrics
        if trainer.is_global_zero:
            loss, metric = (values.get(name, float("nan")) for name in ("train/loss", self.metric))
            say(f"epoch {trainer.current_epoch}: loss {loss:.4f}, {self.metric} {metric:.4f}")


def _loggers(cfg: DictConfig) -> list[Any]:
    version = f"seed_{cfg.seed}"
    if cfg.resume is not None:  # a logger begins its files anew: what was logged before stays under its own version
        version += f"-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}"
    files = {"version": version}  # for W&B a version would be the id of the run, one for all runs of a project
    return [build(cfg.logger, name, **({} if node._target_.endswith("WandbLogger") else files)) for name, node in cfg.logger.items()]


def _resume_from(cfg: DictConfig) -> Path | None:
    if cfg.resume is None:
        return None
    path = checkpoint_folder(Path(cfg.resume), cfg.seed) / "last.ckpt"
    if not path.is_file():
        raise MissingFile(f"resume: expected a checkpoint at {path}, and there is no such file")
    return path


def _resumed(run: str, overrides: Sequence[str]) -> DictConfig:
    """The configuration that a run was started with, plus plain overrides such as `trainer.max_epochs=50`."""
    path = Path(run) / "config.yaml"
    if not path.is_file():
        raise MissingFile(f"resume: expected the configuration of a run at {path}, and there is no such file")
    saved = OmegaConf.load(path)
    changes = OmegaConf.from_dotlist(list(overrides))
    unknown = [key for key in changes if OmegaConf.is_dict(saved.get(key)) and not OmegaConf.is_dict(changes[key])]
    if unknown:
        raise ConfigError(f"{unknown[0]}: a resumed run keeps its choices; override plain keys, or start a new run")
    return OmegaConf.merge(saved, changes)


def _with_seed(cfg: DictConfig, seed: int) -> DictConfig:
    seeded = copy.deepcopy(cfg)
    seeded.seed = seed
    return seeded


def check_selection(cfg: DictConfig) -> None:
    """Only a validation metric that is computed may choose."""
    if not cfg.task.ks or min(cfg.task.ks) < 1:
        raise ConfigError(f"task.ks: expected one cutoff or more, each at least 1, came {list(cfg.task.ks)}")
    valid = [f"val/{name}@{k}" for name in METRICS for k in cfg.task.ks]
    if cfg.selection.metric not in valid:
        raise ConfigError(
            f"selection.metric: `{cfg.selection.metric}` is not computed on the validation part; {nearest(cfg.selection.metric, valid)}"
        )
    for name in CONTENT:
        if isinstance(change := cfg.evidence[name], str) and change not in changes_of(name):
            raise ConfigError(f"evidence.{name}: `{change}` is no value of it; {nearest(change, ('true', 'false', *changes_of(name)))}")
    for key in ("n_seeds", "features.batch_size"):
        if (value := OmegaConf.select(cfg, key)) < 1:
            raise ConfigError(f"{key}: expected at least 1, came {value}")


def _run_dir(cfg: DictConfig) -> Path:
    """The path of the run folder, which is not there yet unless it was named; the configuration is given it."""
    if cfg.run_dir is None:
        data, split = (node["_target_"].rpartition(".")[2] for node in (cfg.data, cfg.split))
        data = Path(cfg.data.path).resolve().name if "path" in cfg.data else data
        name = f"{data}-{split}-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}"  # a sweep may start several at once
        taken = [name, *(f"{name}-{n}" for n in range(2, 1000))]
        with open_dict(cfg):
            cfg.run_dir = str(next(path for path in (Path(cfg.paths.runs) / one for one in taken) if not path.exists()))
    path = Path(cfg.run_dir)
    if (path / "metrics.json").exists() and cfg.resume is None:
        raise ConfigError(f"run_dir: {path} holds a finished run; name another folder, or none for a new one")
    return path
