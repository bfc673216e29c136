"""What the scores of a run stand for: ratings, or probabilities of clicks."""

from pathlib import Path

import polars as pl
import torch

from mmrec.errors import ConfigError
from mmrec.experiment.run_folder.files import CLICK_HEAD, RATING_HEAD, folder_with
from mmrec.files.storage import read_json
from mmrec.nn.heads.click import click_head_from
from mmrec.nn.heads.rating import head_from

_TASKS = {RATING_HEAD: ("ratings", "rating"), CLICK_HEAD: ("clicks", "click")}
"""By the file of a head, what it predicts, and the task that trains it."""


def folder_predicting(name: str, run_dir: Path) -> Path:
    """The folder of a run, or of one of its tasks, that has the file of a head. Raises ConfigError if there is none."""
    folder = folder_with(run_dir, name)
    if not (folder / name).is_file():
        what, task = _TASKS[name]
        raise ConfigError(f"{run_dir}: its model does not predict {what}; `mmrec train task={task}` trains one that does")
    return folder


def with_ratings(scored: pl.DataFrame, folder: Path) -> pl.DataFrame:
    """Return a table of scores with `rating`, the mean of the predicted distribution, and `deviation` instead of `score`."""
    head, scores = head_from(read_json(folder / RATING_HEAD)), torch.from_numpy(scored["score"].to_numpy(writable=True))
    with torch.no_grad():
        found = {"rating": head.expected(scores).numpy(), "deviation": head.deviation(scores).numpy()}
    return scored.drop("score").with_columns(**found)


def with_click_probabilities(scored: pl.DataFrame, folder: Path) -> pl.DataFrame:
    """Return a table of scores with `probability`, that of a click at the first position, instead of `score`."""
    head, scores = click_head_from(read_json(folder / CLICK_HEAD)), torch.from_numpy(scored["score"].to_numpy(writable=True))
    with torch.no_grad():
        return scored.drop("score").with_columns(probability=head.calibrated(scores).sigmoid().numpy())
