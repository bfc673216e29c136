"""The command `mmrec evaluate run=…`: recompute the test metrics of a run from its checkpoints, and compare them with those reported."""

from omegaconf import DictConfig
from rich.box import SIMPLE_HEAD
from rich.table import Table

from mmrec.api.console import console_output
from mmrec.api.runs import open_run
from mmrec.config.check import check
from mmrec.config.hydra.from_overrides import places_of
from mmrec.config.settings import evaluate_settings
from mmrec.config.verbs.attack import attack_of, attacked_runs
from mmrec.config.verbs.rerank import frontier_settings, rerankers
from mmrec.errors import ConfigError
from mmrec.evaluation.pages.terminal import console_table
from mmrec.experiment.attacks.measure import Attack, measure_under_attack
from mmrec.experiment.attacks.record import check_comparable, write_attack
from mmrec.experiment.evaluate import Reevaluation, check_reported
from mmrec.experiment.evaluate import evaluate as run
from mmrec.experiment.predictions import BESIDE, PredictionsMeasured, evaluate_predictions
from mmrec.experiment.run.frontier import measure_frontier
from mmrec.schemas import EvaluateConfig
from mmrec.terminal import say, show


@console_output()
def evaluate(cfg: DictConfig) -> dict[str, float]:
    """Return the test metrics of a run on its stored split, means over seeds, or those of the file `predictions`.

    With `rerank`, those of the reranked lists at the trade-off that validation chooses, as `<method>/<metric>`. With `attack`, those of the
    first seed under attack, as `run/<metric>` and, of the run that is `defended`, `defended/<metric>`.

    Raises:
        ConfigError: settings do not fit each other or the run.
        MissingFile: the run does not exist.
        DataError: its data have changed, or the metrics differ from those reported by more than 1e-4.
    """
    check(cfg, EvaluateConfig)
    if (attack := attack_of(cfg)) is not None:
        if cfg.predictions is not None or rerankers(cfg):
            raise ConfigError("attack: expected neither predictions nor rerank; leave them out")
        return _measure_attack(cfg, attack)
    if cfg.predictions is not None:
        measured = evaluate_predictions(cfg.run, cfg.predictions)
        _show_predictions(measured)
        return measured.found
    if rerankers(cfg):
        return _measure_frontier(cfg)
    settings = evaluate_settings(cfg)
    measured_again = run(settings)
    show(_table(measured_again))
    check_reported(measured_again, settings.run_dir)
    return measured_again.found


def _measure_frontier(cfg: DictConfig) -> dict[str, float]:
    """Measure the grid of trade-offs, print it, and write it to `rerank.csv` in the run folder."""
    frontier = measure_frontier(open_run(cfg.run, *places_of(cfg)), frontier_settings(cfg))
    end, accuracy = f"@{cfg.rerank.k}", f"val/ndcg@{cfg.rerank.k}"
    columns = ["method", "trade_off", accuracy, *(name for name in frontier.table.columns if name.startswith("test/"))]
    names = [name.removesuffix(end).replace("_", " ") for name in columns]
    table = Table(*names, title=f"lists of {cfg.rerank.k} items", title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for row in frontier.table.iter_rows(named=True):
        cells = [f"{row[name]:.4f}" if "@" in name and row[name] is not None else str(row[name]) for name in columns]
        table.add_row(*cells, style="bold" if row["is_chosen"] else "")
    show(table)
    say(f"bold: the largest trade-off that loses at most {cfg.rerank.max_loss:.1%} of ndcg on the validation part")
    say(f"table: {frontier.write()}")
    chosen = frontier.table.filter("is_chosen").select("method", r"^test/.*$")
    return {f"{row['method']}/{name}": value for row in chosen.iter_rows(named=True) for name, value in row.items() if name != "method"}


def _measure_attack(cfg: DictConfig, attack: Attack) -> dict[str, float]:
    """Measure the runs under attack, print the table, and write it to `attack.json` and into the report of the first one."""
    settings = {name: evaluate_settings(one) for name, one in attacked_runs(cfg).items()}
    check_comparable([one.run_dir for one in settings.values()])
    runs = {name: measure_under_attack(one, attack) for name, one in settings.items()}
    written = write_attack(attack, runs)
    title = f"{written['attack']}: {written['settings']}"
    table = Table("metric", "run", "clean", "attacked", "fall", title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for metric in written["metrics"]:
        for one in runs.values():
            found = one.result
            cells = f"{found.clean[metric]:.4f}", f"{found.attacked[metric]:.4f}", f"{found.fall(metric):+.1%}"
            table.add_row(metric.removeprefix("test/"), one.run_dir.name, *cells)
    show(table)
    say(f"attacked items: {', '.join(f'{one.result.n_attacked:,} of {name}' for name, one in runs.items())}; {written['path']}")
    return {f"{name}/{metric}": value for name, one in runs.items() for metric, value in one.result.attacked.items()}


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
