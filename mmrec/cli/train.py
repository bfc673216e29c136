"""`mmrec train`: data to split to model to metrics to report, into one run folder."""

import copy
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from lightning.pytorch import LightningDataModule
from omegaconf import DictConfig, OmegaConf, open_dict

from mmrec.config import build, check, flat, plain, read_model
from mmrec.data.features.counterfactual import changes_of
from mmrec.data.interactions.split import Split
from mmrec.data.interactions.split_rules import check_ratios
from mmrec.errors import ConfigError, MissingFile, Terminated, nearest
from mmrec.evaluation.measure.counterfactual import Counterfactual, counterfactuals, describe_worth, measure_counterfactuals
from mmrec.evaluation.measure.evaluate import Evaluated, Result, evaluate
from mmrec.evaluation.measure.grades import HeldOutGrades, read_grades
from mmrec.evaluation.measure.item_groups import make_item_groups
from mmrec.evaluation.pages.run_page import write_report
from mmrec.evaluation.pages.terminal import console_table
from mmrec.experiment.baselines import chosen, tune_baseline, tune_node
from mmrec.experiment.fit import checkpoint_folder, fit, load_best
from mmrec.experiment.made_here import remember_run
from mmrec.experiment.prepare import (
    Evidence,
    fit_priors,
    load_evidence,
    make_data_module,
    make_model,
    make_spec,
    make_split,
    model_class,
    model_name,
    quiet_lightning,
    say,
)
from mmrec.experiment.record import describe_run, write_curves, write_model, write_results
from mmrec.experiment.run_changes import (
    Change,
    asked_changes,
    changed_config,
    composed_changes,
    describe_changes,
    find_changes,
    record_changes,
)
from mmrec.experiment.run_config import kept_config, open_config
from mmrec.experiment.run_lock import lock_run
from mmrec.experiment.runs import is_finished
from mmrec.experiment.saved_models import write_fitted
from mmrec.files.storage import check_writable, sha256_tensors, write_json, write_parquet, write_text
from mmrec.metrics.ranking import known_metrics
from mmrec.models.recommender import ClosedFormRecommender, Recommender
from mmrec.schemas import TrainConfig
from mmrec.terminal import show
from mmrec.types import CONTENT, OTHERS, DatasetSpec, Scorer

Remake = Callable[[DatasetSpec], Recommender]


def train(cfg: DictConfig, overrides: Sequence[str] | None = None) -> Path:
    """Runs a training configuration and returns its run folder. Raises ConfigError, DataError, … before anything long begins where it can.

    With `resume` the run's own configuration is taken up again, and of this one only the `overrides` of plain keys; without a list of them
    what differs from the default configuration.
    """
    start, changes = time.perf_counter(), {}
    quiet_lightning()
    if cfg.resume is not None:
        cfg, changes = _resumed(cfg, overrides)
    check(cfg, TrainConfig)
    check_selection(cfg)
    run_dir = _run_dir(cfg)
    with lock_run(run_dir, "run_dir" if cfg.resume is None else "resume"):
        if cfg.resume is None and is_finished(run_dir):
            raise ConfigError(f"run_dir: {run_dir} holds a finished run; name another folder, or none for a new one")
        evidence = load_evidence(cfg)
        split = make_split(cfg, evidence, run_dir / "split")  # the first that is written: bad data leaves no folder behind
        record_changes(run_dir, cfg, changes)
        write_text(run_dir / "config.yaml", OmegaConf.to_yaml(kept_config(cfg)))
        remember_run(run_dir)
        with _resumable(run_dir):
            _train_and_measure(cfg, evidence, split, run_dir, start)
    return run_dir


def _train_and_measure(cfg: DictConfig, evidence: Evidence, split: Split, run_dir: Path, start: float) -> None:
    """Our model and the baselines, and all that the run folder holds of them; `start` is when the run began."""
    results, first, remake = _train_seeds(cfg, evidence, run_dir)
    trained_s = time.perf_counter() - start - evidence.features_s
    results += _baselines(cfg, evidence, run_dir)
    data = make_data_module(cfg, evidence, run_dir / "split")
    data.setup("test")
    has_vectors = write_model(run_dir, evidence, first)
    write_curves(run_dir, [result.seed for result in results if result.model == results[0].model])
    grouping = evidence.dataset.items, evidence.index, cfg.evaluation.item_column, cfg.graph.separator
    metrics = write_results(run_dir, evidence, split, results, data.train, data.test_set(), make_item_groups(data.train, *grouping))
    _write_counterfactuals(cfg, run_dir, counterfactuals(first, make_spec(evidence, data), remake, cfg.seed), results[0], data)
    total_s = time.perf_counter() - start
    times = {
        "features_s": evidence.features_s,
        "fit_s": trained_s,
        "evaluate_s": total_s - trained_s - evidence.features_s,
        "total_s": total_s,
    }
    fit_s = {result.model: result.fit_s for result in reversed(results)}  # of the first seed
    about = describe_run(cfg, evidence, split, times, sum(p.numel() for p in first.parameters()), fit_s)
    write_json(run_dir / "run.json", about | {"weights_sha256": sha256_tensors(first.state_dict()), "has_vectors": has_vectors})
    write_report(run_dir, evidence.dataset)
    show(console_table(metrics, [f"{name}@{k}" for k in cfg.task.ks for name in ("recall", "ndcg")]))
    say(f"report: {run_dir / 'report.html'}")


@contextmanager
def _resumable(run_dir: Path) -> Iterator[None]:
    """Whoever ends the run is told how to go on with it."""
    try:
        yield
    except (Terminated, KeyboardInterrupt) as end:
        signum = end.signum if isinstance(end, Terminated) else signal.SIGINT
        raise Terminated(signum, f"; `mmrec train resume={run_dir}` goes on from here") from None


def _train_seeds(cfg: DictConfig, evidence: Evidence, run_dir: Path) -> tuple[list[Result], Recommender, Remake]:
    """The results of all seeds, the trained model of the first, and what makes an untrained one like it."""
    trained = [_train_one(_with_seed(cfg, cfg.seed + i), evidence, run_dir) for i in range(cfg.n_seeds)]
    return [result for result, *_ in trained], *trained[0][1:]


def _train_one(cfg: DictConfig, evidence: Evidence, run_dir: Path) -> tuple[Result, Recommender, Remake]:
    """Trains one seed, keeps the epoch that is best on validation, and only then reads the test part."""
    data = make_data_module(cfg, evidence, run_dir / "split")
    data.setup("fit")
    spec, start = make_spec(evidence, data), time.perf_counter()
    if issubclass(model_class(cfg), ClosedFormRecommender):
        return _fit_one(cfg, evidence, run_dir, data)
    remake = partial(make_model, cfg, priors=fit_priors(cfg, spec, data.valid_set()))
    model, made_s = remake(spec), time.perf_counter() - start
    say(
        f"seed {cfg.seed}: {sum(p.numel() for p in model.parameters()):,} parameters"
        + (f", tokens {', '.join(model.modalities)}" if model.modalities else "")
    )
    task = build(cfg, "task")(model=model, loss=build(cfg, "loss"), optimizer=build(cfg, "optimizer"))
    folder = checkpoint_folder(run_dir, cfg.seed)
    fit_s = made_s + fit(cfg, task, data, folder)
    load_best(model, folder)
    data.setup("test")
    measured = measure(cfg, model.freeze(), data, read_grades(run_dir / "split", evidence.index))
    return Result(model_name(cfg), cfg.seed, *measured, {}, fit_s), model, remake


def _fit_one(cfg: DictConfig, evidence: Evidence, run_dir: Path, data: LightningDataModule) -> tuple[Result, Recommender, Remake]:
    """The same of a model in closed form, whose settings are chosen as a baseline's are."""
    name, spec = model_name(cfg), make_spec(evidence, data)
    remake: Remake = partial(make_model, cfg, priors={})
    remake(spec)  # refuses what it cannot do
    best = tune_node(cfg, "model", name, spec, data.valid_set())
    write_fitted(checkpoint_folder(run_dir, cfg.seed), best.scorer, best.parameters)
    data.setup("test")
    measured = measure(cfg, best.scorer, data, read_grades(run_dir / "split", evidence.index))
    return Result(name, cfg.seed, *measured, chosen(best), best.fit_s), best.scorer, remake


def measure(cfg: DictConfig, scorer: Scorer, data: LightningDataModule, grades: HeldOutGrades) -> tuple[Evaluated, Evaluated]:
    """A scorer on the validation and on the test users of a data module set up for test."""
    parts = (data.valid_set(), grades.valid), (data.test_set(), grades.test)
    valid, test = (evaluate(scorer, part, list(cfg.task.ks), graded, cfg.evaluation.auc) for part, graded in parts)
    return valid, test


def _baselines(cfg: DictConfig, evidence: Evidence, run_dir: Path) -> list[Result]:
    """Every configured baseline, tuned on the validation part before the test part is read; one that the data cannot feed is left out.

    One that is called as the trained model is goes by `<name> (baseline)`; one that is the very same model is left out.
    """
    data = make_data_module(cfg, evidence, run_dir / "split")
    data.setup("fit")
    ours = read_model(cfg, "model")
    names = [name for name in cfg.baselines if read_model(cfg, f"baselines.{name}") != ours]
    tuned = {name: tune_baseline(cfg, name, make_spec(evidence, data), data.valid_set()) for name in names}
    data.setup("test")
    grades = read_grades(run_dir / "split", evidence.index)
    return [
        Result(
            f"{name} (baseline)" if name == model_name(cfg) else name,
            cfg.seed,
            *measure(cfg, best.scorer, data, grades),
            chosen(best),
            best.fit_s,
        )
        for name, best in tuned.items()
        if best is not None
    ]


def _write_counterfactuals(
    cfg: DictConfig, run_dir: Path, changed: Iterator[Counterfactual], result: Result, data: LightningDataModule
) -> None:
    """What the first seed's model relies on: counterfactuals.parquet, and a sentence a modality."""
    k = max(cfg.task.ks)
    table = measure_counterfactuals(result.test.ranking, changed, data.test_set(), data.train, k, cfg.seed)
    if len(table):
        write_parquet(run_dir / "counterfactuals.parquet", table)
    for sentence in describe_worth(table, f"ndcg@{k}"):
        say(sentence)


def _resumed(cfg: DictConfig, overrides: Sequence[str] | None) -> tuple[DictConfig, dict[str, Change]]:
    """The configuration that the run `cfg.resume` was started with, changed as is asked for (`trainer.max_epochs=50`), and the changes."""
    run_dir = Path(cfg.resume)
    if not (run_dir / "config.yaml").is_file():
        raise MissingFile(f"resume: expected the configuration of a run at {run_dir / 'config.yaml'}, and there is no such file")
    named = None if overrides is None else asked_changes(overrides)
    saved = open_config(run_dir, cfg, named or ())
    asked = composed_changes(cfg, saved) if named is None else named
    changes = find_changes(saved, asked, run_dir)
    if changes:
        say(f"resume: {describe_changes(changes)}")
    return OmegaConf.merge(changed_config(saved, changes), {"resume": cfg.resume, "run_dir": cfg.resume, "trust_run": False}), changes


def _with_seed(cfg: DictConfig, seed: int) -> DictConfig:
    seeded = copy.deepcopy(cfg)
    seeded.seed = seed
    return seeded


def check_selection(cfg: DictConfig) -> None:
    """Only a validation metric that is computed may choose."""
    if not cfg.task.ks:
        raise ConfigError("task.ks: expected one cutoff or more, came none")
    check_ratios(*(cfg.split.get(name, 0.0) for name in ("valid_ratio", "test_ratio")))
    valid = [f"val/{name}@{k}" for name in known_metrics() for k in cfg.task.ks]
    if cfg.selection.metric not in valid:
        raise ConfigError(
            f"selection.metric: `{cfg.selection.metric}` is not computed on the validation part; {nearest(cfg.selection.metric, valid)}"
        )
    for name in (*CONTENT, OTHERS):
        if isinstance(change := cfg.evidence.get(name), str) and change not in changes_of(name):
            raise ConfigError(f"evidence.{name}: `{change}` is no value of it; {nearest(change, ('true', 'false', *changes_of(name)))}")


def _run_dir(cfg: DictConfig) -> Path:
    """The path of the run folder, which is not there yet unless it was named; the configuration is given it.

    Raises ConfigError for a folder of something else, StorageError for one that cannot be written.
    """
    key = "paths.runs" if cfg.run_dir is None else "run_dir"
    if cfg.run_dir is None:
        data, split = (node["_target_"].rpartition(".")[2] for node in (cfg.data, cfg.split))
        data = Path(cfg.data.path).resolve().name if "path" in cfg.data else data
        name = f"{data}-{split}-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}"  # a sweep may start several at once
        taken = [name, *(f"{name}-{n}" for n in range(2, 1000))]
        with open_dict(cfg):
            cfg.run_dir = str(next(path for path in (Path(cfg.paths.runs) / one for one in taken) if not path.exists()))
    path = Path(cfg.run_dir)
    for other, value in flat({"data": plain(cfg)["data"], "paths": {"cache": cfg.paths.cache}}):
        if isinstance(value, str) and path.is_dir() and os.path.realpath(os.path.expanduser(value)) == os.path.realpath(path):
            raise ConfigError(f"run_dir: {path} is the folder of {other}, which a run would spoil; name another, or none for a new one")
    check_writable(path, key)
    return path
