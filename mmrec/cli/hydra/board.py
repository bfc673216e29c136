"""Compose, validate and launch the runs of a leaderboard with Hydra."""

import contextlib
import hashlib
import itertools
import json
import re
import shutil
import time
import traceback
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig, open_dict
from omegaconf.errors import OmegaConfBaseException

from mmrec.cli.train import train
from mmrec.config.check import check
from mmrec.config.hydra.errors import explain
from mmrec.config.hydra.external_config import check_hydra_node
from mmrec.config.hydra.internals import Callbacks
from mmrec.config.hydra.quoting import quoted
from mmrec.config.selection import check_selection
from mmrec.config.task import task_metrics
from mmrec.config.values import flat, literal, plain
from mmrec.errors import ConfigError, MmrecError, nearest
from mmrec.evaluation.compare.run_labels import is_compared
from mmrec.experiment.leaderboard import BoardRun
from mmrec.experiment.run_folder.lock import lock_run
from mmrec.schemas import TrainConfig
from mmrec.terminal import say


def plan(cfg: DictConfig, folder: Path) -> list[BoardRun]:
    """Return all runs of a board, after composing and validating the configuration of each.

    Raises:
        ConfigError: the board or the configuration of a run, which the message names, is invalid.
    """
    board = plain(cfg)["board"]
    for key in ("data", "splits", "models", "seeds", "columns"):
        if not board[key]:
            raise ConfigError(f"board.{key}: expected one or more, found none")
        if twice := [value for value in board[key] if list(board[key]).count(value) > 1]:
            raise ConfigError(f"board.{key}: `{twice[0]}` is repeated")
    first = next(iter(board["models"]))
    trusted, ours, runs = list(cfg.trusted_packages), literal(_load(()).hydra), []
    for data, split, model in itertools.product(board["data"], board["splits"], board["models"]):
        baselines = board["baselines"] if model == first else "none"
        fixed = (f"split={split}", f"baselines={baselines}", f"paths.cache={quoted(str(cfg.paths.cache))}")
        overrides = (*board["data"][data], *fixed, *board["overrides"], *board["models"][model], "n_seeds=1")
        composed = _composed(overrides, trusted, ours, f"board: {data} {split} {model}")
        _check_columns(board, composed)
        if clash := set(composed.baselines) & set(board["models"]):
            raise ConfigError(f"board.models: `{min(clash)}` is the name of a baseline; choose another name")
        of_first: tuple[str, ...] = ()
        for seed in board["seeds"]:
            composed.seed, composed.tuned_in = seed, "the run of the first seed" if of_first else None
            run_dir = folder / data / split / model / f"{seed}-{_fingerprint(composed)}"
            words = (*overrides, f"seed={seed}", *of_first, *_trust(trusted))
            runs.append(BoardRun(data, split, model, seed, words, run_dir, takes_settings=bool(of_first)))
            if board["tune_once"] and any("space" in baseline for baseline in composed.baselines.values()) and not of_first:
                of_first = (f"tuned_in={quoted(str(run_dir))}",)
    return runs


def run_one(cfg: DictConfig, runs: Sequence[BoardRun], waiting: Sequence[BoardRun]) -> str | None:
    """Train one of `runs`, resuming it if possible, and return the message of a user error, or None on success.

    The run is selected by Hydra's job number, and its output is written to log.txt in its folder. Internal errors propagate. `waiting` are
    all unfinished runs of the board, for the progress message.
    """
    run = runs[HydraConfig.get().job.num]
    start = time.perf_counter()
    if run.is_resumable:
        cfg.resume = str(run.folder)
    else:
        try:
            with lock_run(run.folder, "board"):
                shutil.rmtree(run.folder)
        except ConfigError as error:
            return str(error)
        run.folder.mkdir(parents=True)
    with (run.folder / "log.txt").open("a", encoding="utf-8") as log, contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
        try:
            train(cfg, run.overrides if cfg.resume is None else _trust(cfg.trusted_packages))
            problem = None
        except MmrecError as error:
            problem = str(error)
        except Exception:
            traceback.print_exc(file=log)
            raise
    n_finished = sum(one.is_finished for one in waiting)
    say(f"{run}: {problem or f'done in {time.perf_counter() - start:.0f} s'}; {n_finished} of {len(waiting)} are finished")
    return problem


def launch(cfg: DictConfig, folder: Path, runs: Sequence[BoardRun]) -> dict[BoardRun, str]:
    """Train runs with the configured Hydra launcher, and return the messages of user errors by run. Internal errors propagate.

    Runs that search for the hyperparameters of baselines come before those that use the results.
    """
    searching = [run for run in runs if not run.takes_settings]
    taking = [run for run in runs if run.takes_settings]
    return {run: problem for stage in (searching, taking) if stage for run, problem in _launch(cfg, folder, stage, runs).items()}


def _launch(cfg: DictConfig, folder: Path, runs: Sequence[BoardRun], waiting: Sequence[BoardRun]) -> dict[BoardRun, str]:
    config = _load(())
    launcher_config = plain(HydraConfig.get().launcher)
    if "n_jobs" in launcher_config:
        launcher_config["n_jobs"] = cfg.jobs
    with open_dict(config):
        config.hydra.launcher, config.hydra.sweep.dir = launcher_config, str(folder)
    context = HydraContext(config_loader=GlobalHydra.instance().config_loader(), callbacks=Callbacks())
    task = partial(run_one, runs=tuple(runs), waiting=tuple(waiting))
    launcher = Plugins.instance().instantiate_launcher(hydra_context=context, task_function=task, config=config)
    jobs = [[*run.overrides, f"run_dir={quoted(str(run.folder))}"] for run in runs]
    problems = [job.return_value for job in launcher.launch(jobs, initial_job_idx=0)]
    return {run: problem for run, problem in zip(runs, problems, strict=True) if problem}


def _load(overrides: Sequence[str]) -> DictConfig:
    """Compose a configuration of `mmrec train`, including the node `hydra`."""
    return GlobalHydra.instance().config_loader().load_configuration("train", list(overrides), run_mode=RunMode.MULTIRUN)


def _trust(packages: Sequence[str]) -> tuple[str, ...]:
    """The overrides that make a run trust packages."""
    return (f"trusted_packages=[{','.join(packages)}]",) if packages else ()


def _composed(overrides: Sequence[str], trusted: list[str], ours: dict[str, Any], what: str) -> DictConfig:
    """Compose and validate the configuration of a run as `mmrec train` does. `ours` is the node `hydra` in mmrec's own configuration."""
    try:
        _check_words(overrides)
        composed = _load(overrides)
        check_hydra_node(literal(composed.hydra), ours)
        _check_trust(composed)
        with open_dict(composed):
            del composed["hydra"]
        composed.trusted_packages = trusted
        check(composed, TrainConfig)
        check_selection(composed)
    except ConfigError as error:
        raise ConfigError(f"{what}: {error}") from None
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(f"{what}: {explain(error, 'train')}") from None
    return composed


def _check_words(overrides: Sequence[str]) -> None:
    """Raise ConfigError for overrides of Hydra's own keys, which take effect before validation; boards may come from third parties."""
    for word, override in zip(overrides, OverridesParser.create().parse_overrides(list(overrides)), strict=True):
        if re.match(r"hydra\b", override.key_or_group):
            raise ConfigError(f"{word}: a board must not change Hydra's own keys; set it on the command line")


def _check_trust(composed: DictConfig) -> None:
    """Raise ConfigError if a board, or a file that it selects, sets keys that only the command line may set."""
    if composed.trusted_packages:
        raise ConfigError("trusted_packages: a board must not set it; set it on the command line of `mmrec leaderboard`")
    for key in ("resume", "trust_run"):
        if composed[key]:
            raise ConfigError(f"{key}: a board must not set it; the runs of a board are resumed by starting the board again")


def _check_columns(board: dict[str, Any], composed: DictConfig) -> None:
    valid = [metric.name for metric in task_metrics(composed).metrics]
    for key, column in (*(("columns", column) for column in board["columns"]), ("metric", board["metric"])):
        if column not in valid:
            raise ConfigError(f"board.{key}: `{column}` is not a metric of the task; {nearest(column, valid)}")


def _fingerprint(composed: DictConfig) -> str:
    compared = {key: value for key, value in flat(plain(composed)) if is_compared(key) or key.startswith("baselines.")}
    return hashlib.sha256(json.dumps(compared, sort_keys=True).encode()).hexdigest()[:8]
