"""The functions `mmrec.open_run` and `mmrec.evaluate` for finished runs."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmrec.config.hydra.from_overrides import evaluate_settings_of, frontier_of, saved_settings, to_overrides
from mmrec.config.hydra.quoting import quoted

if TYPE_CHECKING:
    import polars as pl

    from mmrec.experiment.run.run import Run


def open_run(folder: "str | Path", *words: str, **settings: Any) -> "Run":
    """Open the folder of a finished run.

    Args:
        folder: a run folder written by `mmrec.train` or `mmrec train`.
        words: overrides as for `mmrec evaluate`, such as the current location of the data, `"data.path=my_shop/"`, or `"trust_run=true"`.
            They are only needed to recommend for users given as histories.
        settings: the same as keywords, such as `trust_run=True`.

    Returns:
        The run.

    Raises:
        MissingFile: there is no finished run; the message names those nearby.
    """
    from mmrec.api.services import make_service
    from mmrec.experiment.run.run import Run

    given = [*words, *to_overrides(settings)]
    return Run(folder, saved_settings(given), partial(make_service, reopen=lambda other: open_run(other, *given)))


def evaluate(run: "Run | str | Path", *words: str, predictions: Any = None, **settings: Any) -> "pl.DataFrame":
    """Evaluate a run again, or evaluate the recommendations of another system by the protocol of a run.

    Without `predictions`, the model of the run is restored from its data and checkpoints, and evaluated on the stored split.

    Args:
        run: a run, or its folder.
        words: as for `open_run`.
        predictions: a Polars, pandas or Arrow table with `user_id, item_id` and `score` or `rank` for all test users, in any order, or the
            path of a file with such a table. The metrics of a file are also written next to it.
        settings: the same as keywords.

    Returns:
        With `"rerank=[mmr,dpp]"`, a table with a row per method and trade-off, see `mmrec.experiment.run.frontier`. Without it and
        without `predictions`, a table `model, metric, mean, reported`. With `predictions`, a table `model, metric, mean, low, high` as
        `Run.metrics`, in which the predictions, named `predictions` or by their file, come before the models of the run.

    Raises:
        DataError: the data of the run have changed, the metrics differ from those reported, or the predictions are invalid.
    """
    from mmrec.api.process_state import preserve_process_state

    folder = Path(run) if isinstance(run, str | Path) else run.folder
    with preserve_process_state():
        if predictions is None:
            return _measure_again(folder, [*words, *to_overrides(settings)])
        return _measure_predictions(folder, predictions)


def _measure_again(folder: Path, words: list[str]) -> "pl.DataFrame":
    words = [f"run={quoted(str(folder))}", *words]
    if any(word.startswith("rerank=") for word in words) and (asked := frontier_of(words)) is not None:
        from mmrec.experiment.run.frontier import measure_frontier

        return measure_frontier(open_run(folder, *asked[1]), asked[0]).table
    settings = evaluate_settings_of(words)
    import polars as pl

    from mmrec.experiment.evaluate import check_reported
    from mmrec.experiment.evaluate import evaluate as run

    measured = run(settings)
    check_reported(measured, settings.run_dir)
    model = settings.training(settings.evidence.seed).model.name
    rows = [(model, name, value, measured.reported[name]) for name, value in measured.found.items()]
    return pl.DataFrame(rows, schema=["model", "metric", "mean", "reported"], orient="row")


def _measure_predictions(folder: Path, predictions: Any) -> "pl.DataFrame":
    from mmrec.experiment.predictions import evaluate_predictions, measure_frame
    from mmrec.experiment.run.metrics import metrics_table

    is_file = isinstance(predictions, str | Path)
    measured = evaluate_predictions(str(folder), str(predictions)) if is_file else measure_frame(folder, predictions)
    return metrics_table(measured.beside)
