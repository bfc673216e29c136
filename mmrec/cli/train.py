"""The command `mmrec train`: train a model, compare it with baselines, and write a run folder with a report."""

from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig

from mmrec.api.console import console_output
from mmrec.config.settings import train_settings
from mmrec.evaluation.compare.against_baselines import headlines
from mmrec.evaluation.pages.terminal import console_table
from mmrec.experiment.train import train as run
from mmrec.files.storage import read_json
from mmrec.terminal import say, show


@console_output()
def train(cfg: DictConfig, overrides: Sequence[str] | None = None) -> Path:
    """Run a training configuration, print the results, and return the run folder.

    With `resume`, the run's own configuration is used with the given `overrides` of plain keys; if these are None, with the values in which
    `cfg` deviates from the default configuration.

    Raises:
        MmrecError: a user error (ConfigError, DataError, …), if possible before any long computation.
    """
    settings = train_settings(cfg, overrides)
    run_dir, training = run(settings), settings.training(settings.seeds[0])
    metrics = read_json(run_dir / "metrics.json")
    if not training.parts:
        show(console_table(metrics, headlines(metric.name for metric in training.measures.metrics)))
    for name, part in training.parts.items():
        show(console_table(metrics["tasks"][name], headlines(metric.name for metric in part.measures.metrics), title=name))
    say(f"report: {run_dir / 'report.html'}" if settings.report else f"run: {run_dir}")
    return run_dir
