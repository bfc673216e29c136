"""`mmrec train`: data to split to model to metrics to report, into one run folder."""

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
    """Runs a training configuration and returns its run folder. Raises ConfigError, DataError, … before anything long begins where it can.

    With `resume` the run's own configuration is taken up again, and of this one only the `overrides` of plain keys; without a list of them
    what differs from the default configuration.
    """
    settings = train_settings(cfg, overrides)
    run_dir, measures = run(settings), settings.training(settings.seeds[0]).measures
    show(console_table(read_json(run_dir / "metrics.json"), headlines(metric.name for metric in measures.metrics)))
    say(f"report: {run_dir / 'report.html'}")
    return run_dir
