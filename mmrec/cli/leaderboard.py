"""`mmrec leaderboard`: data × splits × models × seeds, each a run of `mmrec train`, launched by Hydra, continued where it stopped."""

import contextlib
import hashlib
import itertools
import json
import shutil
import time
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
from rich.console import Console

from mmrec.cli.hydra_errors import explain
from mmrec.cli.prepare import say
from mmrec.cli.train import check_selection, train
from mmrec.config import LeaderboardConfig, TrainConfig, check, flat, plain
from mmrec.errors import ConfigError, DataError, MmrecError, nearest
from mmrec.evaluation.console import OURS, section_table
from mmrec.evaluation.leaderboard import MeasuredModel, Section, describe_section, make_section
from mmrec.evaluation.leaderboard_page import write_leaderboard
from mmrec.evaluation.report import read_json
from mmrec.evaluation.run_labels import is_compared
from mmrec.metrics.ranking import METRICS


@dataclass(frozen=True)
class Cell:
    """One run of a leaderboard."""

    data: str
    split: str
    model: str
    seed: int
    overrides: tuple[str, ...]
    """Of `mmrec train`, the run folder left out."""
    folder: Path
    """Named by a hash of all that decides the result: another configuration is another folder."""

    def __str__(self) -> str:
        return f"{self.data} {self.split} {self.model} seed {self.seed}"

    @property
    def is_finished(self) -> bool:
        """run.json is the last that measuring needs and training writes."""
        return (self.folder / "metrics.json").is_file() and (self.folder / "run.json").is_file()


def leaderboard(cfg: DictConfig) -> list[Section]:
    """Runs what is not finished, writes leaderboard.md, .html and .json into the board's folder, and returns its sections.

    Every run is checked before the first begins. Raises ConfigError for a board that cannot be run, and, after the table is written,
    MmrecError that names the runs that failed.
    """
    check(cfg, LeaderboardConfig)
    folder = Path(cfg.output or Path(cfg.paths.runs) / "leaderboard" / cfg.board.name)
    cells = plan(cfg, folder)
    waiting = [cell for cell in cells if not cell.is_finished]
    say(f"{len(cells)} runs, {len(cells) - len(waiting)} of them finished; runs and logs under {folder}")
    failures = _launch(waiting) if cfg.run and waiting else {}
    sections = read_sections(cfg, cells)
    if sections:
        write_leaderboard(folder, cfg.board.name, sections, [str(cell) for cell in cells if not cell.is_finished])
        for section in sections:
            Console().print(section_table(section))
            say(f"{describe_section(section)}.")
        say(f"tables: {folder / 'leaderboard.md'}, {folder / 'leaderboard.html'}")
    else:
        say("no run is finished, so there is no table")
    if failures:
        raise MmrecError("\n".join(f"{cell}: {message}" for cell, message in failures.items()))
    return sections


def plan(cfg: DictConfig, folder: Path) -> list[Cell]:
    """Every run of a board, its configuration composed and checked. Raises ConfigError, naming the run, for one that is wrong."""
    board = plain(cfg)["board"]
    for key in ("data", "splits", "models", "seeds", "columns"):
        if not board[key]:
            raise ConfigError(f"board.{key}: expected one or more, came none")
    first = next(iter(board["models"]))
    cells = []
    for data, split, model in itertools.product(board["data"], board["splits"], board["models"]):
        baselines = board["baselines"] if model == first else "none"
        fixed = (f"split={split}", f"baselines={baselines}", "n_seeds=1", f"paths.cache={_quoted(cfg.paths.cache)}")
        overrides = (*board["data"][data], *fixed, *board["overrides"], *board["models"][model])
        composed = _composed(overrides, f"board: {data} {split} {model}")
        _check_columns(board, composed)
        for seed in board["seeds"]:
            composed.seed = seed
            run_dir = folder / data / split / model / f"{seed}-{_fingerprint(composed)}"
            cells.append(Cell(data, split, model, seed, (*overrides, f"seed={seed}"), run_dir))
    return cells


def run_cell(cfg: DictConfig, cells: Sequence[Cell]) -> str | None:
    """One run, its output in log.txt of its folder; returns what a person can put right where it fails. Other errors go through."""
    cell = cells[HydraConfig.get().job.num]
    start = time.perf_counter()
    shutil.rmtree(cell.folder, ignore_errors=True)  # what a run left that was stopped
    cell.folder.mkdir(parents=True)
    (cell.folder / "metrics.json").unlink(missing_ok=True)  # of a run that was stopped while it wrote its results
    with (cell.folder / "log.txt").open("w", encoding="utf-8") as log, contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
        try:
            train(cfg, cell.overrides)
            problem = None
        except MmrecError as error:
            problem = str(error)
    n_finished = sum(one.is_finished for one in cells)
    say(f"{cell}: {problem or f'done in {time.perf_counter() - start:.0f} s'}; {n_finished} of {len(cells)} are finished")
    return problem


def read_sections(cfg: DictConfig, cells: Sequence[Cell]) -> list[Section]:
    """What the finished runs say, a section for each data set and split, its first model the board's first."""
    board, sections = plain(cfg)["board"], []
    first = next(iter(board["models"]))
    for data in board["data"]:
        for split in board["splits"]:
            finished = [cell for cell in cells if (cell.data, cell.split) == (data, split) and cell.is_finished]
            _check_same_splits(finished)
            models = list(_measured_models(finished, first))
            if models and models[0].name == first:
                sections.append(make_section(data, split, models, board["columns"], board["metric"], cfg.seed))
    return sections


def _launch(cells: Sequence[Cell]) -> dict[Cell, str]:
    """Runs cells by the launcher that Hydra was given; what went wrong, by cell. An error that is none of a person's is raised."""
    hydra = GlobalHydra.instance().hydra
    config = hydra.compose_config("train", [], run_mode=RunMode.MULTIRUN, with_log_configuration=False)
    with open_dict(config):
        config.hydra.launcher = plain(HydraConfig.get().launcher)
    context = HydraContext(config_loader=hydra.config_loader, callbacks=Callbacks())
    task = partial(run_cell, cells=tuple(cells))
    launcher = Plugins.instance().instantiate_launcher(hydra_context=context, task_function=task, config=config)
    jobs = [[*cell.overrides, f"run_dir={_quoted(cell.folder)}"] for cell in cells]
    problems = [job.return_value for job in launcher.launch(jobs, initial_job_idx=0)]
    return {cell: problem for cell, problem in zip(cells, problems, strict=True) if problem}


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
    valid = [f"{name}@{k}" for name in METRICS for k in sorted(composed.task.ks)]
    for key, column in (*(("columns", column) for column in board["columns"]), ("metric", board["metric"])):
        if column not in valid:
            raise ConfigError(f"board.{key}: `{column}` is not measured; {nearest(column, valid)}")


def _fingerprint(composed: DictConfig) -> str:
    compared = {key: value for key, value in flat(plain(composed)) if is_compared(key) or key.startswith("baselines.")}
    return hashlib.sha256(json.dumps(compared, sort_keys=True).encode()).hexdigest()[:8]


def _quoted(value: object) -> str:
    """A value in Hydra's override grammar, whatever characters it has."""
    return "'" + str(value).replace("\\", "\\\\").replace("'", "\\'") + "'"


def _check_same_splits(cells: Sequence[Cell]) -> None:
    """The runs of one seed must have met the same rows."""
    by_seed: dict[int, tuple[str, Cell]] = {}
    for cell in cells:
        found = read_json(cell.folder / "run.json")["split"]["hash"]
        known, other = by_seed.setdefault(cell.seed, (found, cell))
        if known != found:
            raise DataError(f"{other.folder} and {cell.folder} are of different splits: the data changed in between; remove the older one")


def _measured_models(cells: Sequence[Cell], first: str) -> Iterator[MeasuredModel]:
    """Ours in the order of the board, and after them the baselines, which stand in the runs of the first."""
    for model in dict.fromkeys(cell.model for cell in cells):
        yield _measured(model, OURS, [cell for cell in cells if cell.model == model])
    beside = [cell for cell in cells if cell.model == first]
    for name in dict.fromkeys(name for cell in beside for name in read_json(cell.folder / "metrics.json")["models"] if name != OURS):
        yield _measured(name, name, beside)


def _measured(name: str, inside: str, cells: Sequence[Cell]) -> MeasuredModel:
    """A model of several runs; `inside` is what the runs call it."""
    tables, fit_s, lists, tuned = [], {}, {}, {}
    for cell in cells:
        metrics, about = read_json(cell.folder / "metrics.json"), read_json(cell.folder / "run.json")
        if inside in metrics["models"]:
            tables.append(pl.read_parquet(cell.folder / "per_user.parquet").filter(model=inside).drop("model"))
            fit_s[cell.seed] = about["fit_s"][inside]
            lists[cell.seed] = metrics["lists"][inside]
            tuned[cell.seed] = metrics["tuned"].get(inside, {})
    return MeasuredModel(name, inside != OURS, pl.concat(tables), fit_s, lists, tuned)
