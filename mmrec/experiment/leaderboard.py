"""Leaderboards: run folders for all combinations of data, splits, models and seeds, and tables of the finished ones."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from mmrec.errors import DataError
from mmrec.evaluation.compare.leaderboard import MeasuredModel, Section, make_section
from mmrec.experiment.run_folder.files import checkpoint_folder, read_entry, read_measured, read_table
from mmrec.experiment.run_folder.find import is_finished
from mmrec.experiment.run_folder.origin import is_made_here
from mmrec.files.checkpoint import newest_sound
from mmrec.files.storage import read_json
from mmrec.tasks.checkpoints import checkpoints_in
from mmrec.types import USER_ID


@dataclass(frozen=True)
class BoardSettings:
    """The content of a leaderboard's tables; the order is that of display, and the first model is the reference."""

    name: str
    data: Sequence[str]
    splits: Sequence[str]
    models: Sequence[str]
    columns: Sequence[str]
    """Metrics, such as `ndcg@20`."""
    metric: str
    """The tested metric."""
    seed: int
    """The seed of the resampling."""


@dataclass(frozen=True)
class BoardRun:
    """One run of a leaderboard."""

    data: str
    split: str
    model: str
    seed: int
    overrides: tuple[str, ...]
    """The overrides of `mmrec train`, without the run folder."""
    folder: Path
    """Named by a hash of the configuration, so that another configuration uses another folder."""
    takes_settings: bool = False
    """Whether its baselines use the settings chosen in the run of the first seed, which must finish before."""

    def __str__(self) -> str:
        return f"{self.data} {self.split} {self.model} seed {self.seed}"

    @property
    def is_finished(self) -> bool:
        """Whether it has everything that the tables need."""
        return is_finished(self.folder)

    @property
    def is_resumable(self) -> bool:
        """Whether it was stopped after a checkpoint that is valid, and was made here."""
        sound, _ = newest_sound(checkpoints_in(checkpoint_folder(self.folder, self.seed)))
        return sound is not None and is_made_here(self.folder)


def read_sections(board: BoardSettings, runs: Sequence[BoardRun]) -> list[Section]:
    """The results of the finished runs, in a section per dataset and split with the board's first model first."""
    sections, first = [], board.models[0]
    for data in board.data:
        for split in board.splits:
            finished = [run for run in runs if (run.data, run.split) == (data, split) and run.is_finished]
            _check_same_splits(finished)
            models = list(_measured_models(finished, first))
            if models and models[0].name == first:  # models that lack a seed of the first were not evaluated on the same rows
                complete = [model for model in models if set(models[0].fit_s) <= set(model.fit_s)]
                lower = _lower_is_better(finished)
                sections.append(make_section(data, split, complete, board.columns, board.metric, board.seed, lower))
    return sections


def _lower_is_better(runs: Sequence[BoardRun]) -> list[str]:
    """The metrics for which the tasks of the runs declare that lower is better."""
    return sorted({name for run in runs for name in read_json(run.folder / "metrics.json").get("lower_is_better", [])})


def _check_same_splits(runs: Sequence[BoardRun]) -> None:
    """Raise DataError if runs of the same seed have different data or splits."""
    by_seed: dict[int, tuple[tuple[str, str], BoardRun]] = {}
    for run in runs:
        path = run.folder / "run.json"
        about = read_json(path)
        found = read_entry(path, about, ("data", "hash"), str), read_entry(path, about, ("split", "hash"), str)
        known, other = by_seed.setdefault(run.seed, (found, run))
        if known != found:
            raise DataError(f"{other.folder} and {run.folder} have different data, which changed in between; remove the older folder")


def _measured_models(runs: Sequence[BoardRun], first: str) -> Iterator[MeasuredModel]:
    """The models in the order of the board, followed by the baselines from the runs of the first model."""
    for model in dict.fromkeys(run.model for run in runs):
        yield _measured(model, None, [run for run in runs if run.model == model])
    beside = [run for run in runs if run.model == first]
    for name in dict.fromkeys(name for run in beside for name in list(read_json(run.folder / "metrics.json")["models"])[1:]):
        yield _measured(name, name, beside)


def _measured(name: str, baseline: str | None, runs: Sequence[BoardRun]) -> MeasuredModel:
    """The results of a baseline in several runs, or of the model that they trained."""
    tables, fit_s, lists, tuned, over_rows = [], {}, {}, {}, {}
    for run in runs:
        metrics, about = read_json(run.folder / "metrics.json"), read_json(run.folder / "run.json")
        inside = baseline or read_entry(run.folder / "run.json", about, ("model",), str)
        if inside in read_entry(run.folder / "metrics.json", metrics, ("models",), dict[str, Any]):
            tables.append(read_table(run.folder / "per_user.parquet", USER_ID, "model").filter(model=inside).drop("model"))
            fit_s[run.seed] = read_entry(run.folder / "run.json", about, ("fit_s", inside), float)
            if "over_rows" in metrics:
                over_rows[run.seed] = _over_rows(run.folder / "metrics.json", metrics, inside)
            else:
                lists[run.seed] = read_entry(run.folder / "metrics.json", metrics, ("lists", inside), dict[str, Any])
            tuned[run.seed] = read_entry(run.folder / "metrics.json", metrics, ("tuned",), dict[str, Any]).get(inside, {})
    return MeasuredModel(name, baseline is not None, pl.concat(tables), fit_s, lists, tuned, over_rows)


def _over_rows(path: Path, metrics: dict[str, Any], model: str) -> dict[str, tuple[float, float, float]]:
    """The metrics over all test rows, each with the ends of its interval."""
    values, ends = read_measured(path, metrics, model), read_entry(path, metrics, ("confidence", model), dict[str, list[float]])
    names = [f"test/{name}" for name in read_entry(path, metrics, ("over_rows",), list[str])]
    if missing := [name for name in names if name not in values or len(ends.get(name, [])) != 2]:
        raise DataError(f"{path}: expected `models.{model}.{missing[0]}` with its interval, found none")
    return {name.removeprefix("test/"): (values[name], ends[name][0], ends[name][1]) for name in names}
