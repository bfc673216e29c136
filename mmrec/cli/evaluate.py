"""The command `mmrec evaluate run=…`: recompute the test metrics of a run from its checkpoints, and compare them with those reported."""

from omegaconf import DictConfig
from rich.table import Table

from mmrec.api.console import console_output
from mmrec.config.check import check
from mmrec.config.settings import evaluate_settings
from mmrec.evaluation.pages.terminal import console_table
from mmrec.experiment.evaluate import Reevaluation, check_reported
from mmrec.experiment.evaluate import evaluate as run
from mmrec.experiment.predictions import BESIDE, PredictionsMeasured, evaluate_predictions
from mmrec.schemas import EvaluateConfig
from mmrec.terminal import say, show


@console_output()
def evaluate(cfg: DictConfig) -> dict[str, float]:
    """Return the test metrics of a run on its stored split, means over seeds, or those of the file `predictions`.

    Raises:
        MissingFile: the run does not exist.
        DataError: its data have changed, or the metrics differ from those reported by more than 1e-4.
    """
    check(cfg, EvaluateConfig)
    if cfg.predictions is not None:
        measured = evaluate_predictions(cfg.run, cfg.predictions)
        _show_predictions(measured)
        return measured.found
    settings = evaluate_settings(cfg)
    measured_again = run(settings)
    show(_table(measured_again))
    check_reported(measured_again, settings.run_dir)
    return measured_again.found


def _table(measured: Reevaluation) -> Table:
    table = Table("metric", "now", "reported")
    for name, value in measured.found.items():
        table.add_row(name, f"{value:.4f}", f"{measured.reported[name]:.4f}")
    return table


def _show_predictions(measured: PredictionsMeasured) -> None:
    """Print the metrics of the file and of the run's models, and where they were written."""
    ks = measured.ks
    show(console_table(measured.beside, [f"{metric}@{k}" for k in ks for metric in ("recall", "ndcg")], BESIDE))
    if test := measured.test:
        interval = f"95% interval {test.low:+.4f} to {test.high:+.4f}"
        say(f"{measured.name} minus {measured.ours} in ndcg@{ks[-1]}: {test.mean:+.4f}, {interval}, p = {test.p_value:.4f}")
    say(f"metrics: {measured.target}")
