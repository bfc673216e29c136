"""`mmrec leaderboard`: data × splits × models × seeds, each a run of `mmrec train`, launched by Hydra, continued where it stopped."""

import contextlib
import hashlib
import itertools
import json
import shutil
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
from hydra._internal.callbacks import Callbacks
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig, open_dict
from omegaconf.errors import OmegaConfBaseException

from mmrec.cli.hydra.errors import explain
from mmrec.cli.train import check_selection, train
from mmrec.config import check, flat, plain
from mmrec.errors import ConfigError, DataError, MmrecError, nearest
from mmrec.evaluation.compare.leaderboard import MeasuredModel, Section, describe_section, make_section
from mmrec.evaluation.compare.run_labels import is_compared
from mmrec.evaluation.pages.leaderboard_page import write_leaderboard
from mmrec.evaluation.pages.terminal import section_table
from mmrec.experiment.configured_task import task_metrics
from mmrec.experiment.fit import checkpoint_folder
from mmrec.experiment.made_here import is_made_here
from mmrec.experiment.prepare import say
from mmrec.experiment.run_files import read_entry, read_table
from mmrec.experiment.run_lock import lock_run
from mmrec.experiment.runs import is_finished
from mmrec.files.checkpoint import newest_sound
from mmrec.files.storage import check_writable, read_json
from mmrec.schemas import LeaderboardConfig, TrainConfig
from mmrec.tasks.checkpoints import checkpoints_in
from mmrec.terminal import show
from mmrec.types import USER_ID


@dataclass(frozen=True)
class BoardRun:
    """One run of a leaderboard."""

    data: str
    split: str
    model: str
    seed: int
    overrides: tuple[str, ...]
    """Of `mmrec train`, the run folder left out."""
    folder: Path
    """Named by a hash of its configuration: another one is another folder."""

    def __str__(self) -> str:
        return f"{self.data} {self.split} {self.model} seed {self.seed}"

    @property
    def is_finished(self) -> bool:
        """It has all that the tables need."""
        return is_finished(self.folder)

    @property
    def is_resumable(self) -> bool:
        """It was stopped after its first checkpoint, one that is as it was written, and was made here."""
        sound, _ = newest_sound(checkpoints_in(checkpoint_folder(self.folder, self.seed)))
        return sound is not None and is_made_here(self.folder)


def leaderboard(cfg: DictConfig) -> list[Section]:
    """Runs what is not finished, writes leaderboard.md, .html and .json into the board's folder, and returns its sections.

    Every run is checked before the first begins. Raises ConfigError for a board that cannot be run, and, after the table is written,
    MmrecError that names the runs that failed.
    """
    check(cfg, LeaderboardConfig)
    folder = Path(cfg.output or Path(cfg.paths.runs) / "leaderboard" / cfg.board.name)
    runs = plan(cfg, folder)
    check_writable(folder, "paths.runs" if cfg.output is None else "output")
    waiting = [run for run in runs if not run.is_finished]
    say(f"{len(runs)} runs, {len(runs) - len(waiting)} of them finished; runs and logs under {folder}")
    try:
        failures = _launch(cfg, folder, waiting) if cfg.run and waiting else {}
    except Exception:
        _write_tables(cfg, folder, runs)
        raise
    sections = _write_tables(cfg, folder, runs)
    if failures:
        raise MmrecError("\n".join(f"{run}: {message}" for run, message in failures.items()))
    return sections


def plan(cfg: DictConfig, folder: Path) -> list[BoardRun]:
    """Every run of a board, its configuration composed and checked. Raises ConfigError, naming the run, for one that is wrong."""
    board = plain(cfg)["board"]
    for key in ("data", "splits", "models", "seeds", "columns"):
        if not board[key]:
            raise ConfigError(f"board.{key}: expected one or more, came none")
        if twice := [value for value in board[key] if list(board[key]).count(value) > 1]:
            raise ConfigError(f"board.{key}: `{twice[0]}` is there twice")
    first = next(iter(board["models"]))
    runs = []
    for data, split, model in itertools.product(board["data"], board["splits"], board["models"]):
        baselines = board["baselines"] if model == first else "none"
        fixed = (f"split={split}", f"baselines={baselines}", f"paths.cache={_quoted(cfg.paths.cache)}")
        overrides = (*board["data"][data], *fixed, *board["overrides"], *board["models"][model], "n_seeds=1")
        composed = _composed(overrides, f"board: {data} {split} {model}")
        _check_columns(board, composed)
        if clash := set(composed.baselines) & set(board["models"]):
            raise ConfigError(f"board.models: `{min(clash)}` is what a baseline is called; choose another name")
        for seed in board["seeds"]:
            composed.seed = seed
            run_dir = folder / data / split / model / f"{seed}-{_fingerprint(composed)}"
            runs.append(BoardRun(data, split, model, seed, (*overrides, f"seed={seed}"), run_dir))
    return runs


def run_one(cfg: DictConfig, runs: Sequence[BoardRun]) -> str | None:
    """One run, its output in log.txt of its folder; returns what a person can put right where it fails. Other errors go through.

    One that was stopped goes on from its newest checkpoint, to the bit.
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
            train(cfg, run.overrides if cfg.resume is None else ())
            problem = None
        except MmrecError as error:
            problem = str(error)
        except Exception:
            traceback.print_exc(file=log)
            raise
    n_finished = sum(one.is_finished for one in runs)
    say(f"{run}: {problem or f'done in {time.perf_counter() - start:.0f} s'}; {n_finished} of {len(runs)} are finished")
    return problem


def read_sections(cfg: DictConfig, runs: Sequence[BoardRun]) -> list[Section]:
    """What the finished runs say, a section for each data set and split, its first model the board's first."""
    board, sections = plain(cfg)["board"], []
    first = next(iter(board["models"]))
    for data in board["data"]:
        for split in board["splits"]:
            finished = [run for run in runs if (run.data, run.split) == (data, split) and run.is_finished]
            _check_same_splits(finished)
            models = list(_measured_models(finished, first))
            if models and models[0].name == first:  # a model that lacks a seed of the first was not measured on the same rows
                complete = [model for model in models if set(models[0].fit_s) <= set(model.fit_s)]
                sections.append(
                    make_section(data, split, complete, board["columns"], board["metric"], cfg.seed, _lower_is_better(finished))
                )
    return sections


def _write_tables(cfg: DictConfig, folder: Path, runs: Sequence[BoardRun]) -> list[Section]:
    """Writes and prints what the finished runs say."""
    sections = read_sections(cfg, runs)
    if not sections:
        say("no table yet: the board's first model has no finished run")
        return []
    write_leaderboard(folder, cfg.board.name, sections, [str(run) for run in runs if not run.is_finished])
    for section in sections:
        show(section_table(section))
        say(f"{describe_section(section)}.")
    say(f"tables: {folder / 'leaderboard.md'}, {folder / 'leaderboard.html'}")
    return sections


def _launch(cfg: DictConfig, folder: Path, runs: Sequence[BoardRun]) -> dict[BoardRun, str]:
    """Starts runs by the launcher that Hydra was given; what went wrong, by run. An error that is none of a person's is raised."""
    hydra = GlobalHydra.instance().hydra
    config = hydra.compose_config("train", [], run_mode=RunMode.MULTIRUN, with_log_configuration=False)
    launcher_config = plain(HydraConfig.get().launcher)
    if "n_jobs" in launcher_config:
        launcher_config["n_jobs"] = cfg.jobs
    with open_dict(config):
        config.hydra.launcher, config.hydra.sweep.dir = launcher_config, str(folder)
    context = HydraContext(config_loader=hydra.config_loader, callbacks=Callbacks())
    task = partial(run_one, runs=tuple(runs))
    launcher = Plugins.instance().instantiate_launcher(hydra_context=context, task_function=task, config=config)
    jobs = [[*run.overrides, f"run_dir={_quoted(run.folder)}"] for run in runs]
    problems = [job.return_value for job in launcher.launch(jobs, initial_job_idx=0)]
    return {run: problem for run, problem in zip(runs, problems, strict=True) if problem}


def _composed(overrides: Sequence[str], what: str) -> DictConfig:
    """The configuration of a run, checked as `mmrec train` does."""
    hydra = GlobalHydra.instance().hydra
    try:
        composed = hydra.compose_config("train", list(overrides), run_mode=RunMode.MULTIRUN, with_log_configuration=False)
        with open_dict(composed):
            del composed["hydra"]
        check(composed, TrainConfig)
        check_selection(composed)
    except ConfigError as error:
        raise ConfigError(f"{what}: {error}") from None
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(f"{what}: {explain(error, 'train')}") from None
    return composed


def _check_columns(board: dict[str, Any], composed: DictConfig) -> None:
    valid = [metric.name for metric in task_metrics(composed).metrics]
    for key, column in (*(("columns", column) for column in board["columns"]), ("metric", board["metric"])):
        if column not in valid:
            raise ConfigError(f"board.{key}: `{column}` is no column of a board; {nearest(column, valid)}")


def _fingerprint(composed: DictConfig) -> str:
    compared = {key: value for key, value in flat(plain(composed)) if is_compared(key) or key.startswith("baselines.")}
    return hashlib.sha256(json.dumps(compared, sort_keys=True).encode()).hexdigest()[:8]


def _quoted(value: object) -> str:
    """A value in Hydra's override grammar, whatever characters it has."""
    return "'" + str(value).replace("\\", "\\\\").replace("'", "\\'") + "'"


def _lower_is_better(runs: Sequence[BoardRun]) -> list[str]:
    """The metrics of which the runs' tasks declare that a lower value is better."""
    return sorted({name for run in runs for name in read_json(run.folder / "metrics.json").get("lower_is_better", [])})


def _check_same_splits(runs: Sequence[BoardRun]) -> None:
    """The runs of one seed must have met the same data, split into the same rows."""
    by_seed: dict[int, tuple[tuple[str, str], BoardRun]] = {}
    for run in runs:
        path = run.folder / "run.json"
        about = read_json(path)
        found = read_entry(path, about, ("data", "hash"), str), read_entry(path, about, ("split", "hash"), str)
        known, other = by_seed.setdefault(run.seed, (found, run))
        if known != found:
            raise DataError(f"{other.folder} and {run.folder} are of different data: they changed in between; remove the older folder")


def _measured_models(runs: Sequence[BoardRun], first: str) -> Iterator[MeasuredModel]:
    """Ours in the order of the board, and after them the baselines, which stand in the runs of the first."""
    for model in dict.fromkeys(run.model for run in runs):
        yield _measured(model, None, [run for run in runs if run.model == model])
    beside = [run for run in runs if run.model == first]
    for name in dict.fromkeys(name for run in beside for name in list(read_json(run.folder / "metrics.json")["models"])[1:]):
        yield _measured(name, name, beside)


def _measured(name: str, baseline: str | None, runs: Sequence[BoardRun]) -> MeasuredModel:
    """A baseline of several runs, or the model that they trained."""
    tables, fit_s, lists, tuned = [], {}, {}, {}
    for run in runs:
        metrics, about = read_json(run.folder / "metrics.json"), read_json(run.folder / "run.json")
        inside = baseline or read_entry(run.folder / "run.json", about, ("model",), str)
        if inside in read_entry(run.folder / "metrics.json", metrics, ("models",), dict[str, Any]):
            tables.append(read_table(run.folder / "per_user.parquet", USER_ID, "model").filter(model=inside).drop("model"))
            fit_s[run.seed] = read_entry(run.folder / "run.json", about, ("fit_s", inside), float)
            lists[run.seed] = read_entry(run.folder / "metrics.json", metrics, ("lists", inside), dict[str, Any])
            tuned[run.seed] = read_entry(run.folder / "metrics.json", metrics, ("tuned",), dict[str, Any]).get(inside, {})
    return MeasuredModel(name, baseline is not None, pl.concat(tables), fit_s, lists, tuned)
