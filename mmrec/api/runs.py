"""`mmrec.open_run` and `mmrec.evaluate`: a finished run, opened and measured."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmrec.config.hydra.from_overrides import evaluate_settings_of, saved_settings, to_overrides
from mmrec.config.hydra.quoting import quoted

if TYPE_CHECKING:
    import polars as pl

    from mmrec.experiment.run.run import Run


def open_run(folder: "str | Path", *words: str, **settings: Any) -> "Run":
    """Open the folder of a finished run.

    Args:
        folder: a folder that `mmrec.train` or `mmrec train` has written.
        words: where the data of the run are now and whether its places are trusted, as for `mmrec evaluate`: `"data.path=my_shop/"`,
            `"trust_run=true"`. Only users who are given as histories need them.
        settings: the same as keywords, such as `trust_run=True`.

    Raises:
        MissingFile: where there is no finished run; it names those that are beside it.
    """
    from mmrec.experiment.run.run import Run

    return Run(folder, saved_settings([*words, *to_overrides(settings)]))


def evaluate(run: "Run | str | Path", *words: str, predictions: Any = None, **settings: Any) -> "pl.DataFrame":
    """Measure a run again, or lists of any other system under its protocol.

    Without `predictions`, the model of the run is made again from its data and checkpoints, and measured on exactly the split that the run
    kept: `model, metric, mean, reported`.

    Args:
        run: a run, or its folder.
        words: as for `open_run`.
        predictions: a frame of Polars, pandas or Arrow with `user_id, item_id` and `score` or `rank`, or the path of a file with them: all
            users of the test part in one table, best first or not. Nothing is written for a frame; beside a file its metrics are.
        settings: the same as words.

    Returns:
        Of `predictions`: `model, metric, mean, low, high` as `Run.metrics` has them, theirs (called `predictions`, or as the file is) above
        those of the run's own models.

    Raises:
        DataError: where the data of the run are no longer the same, the metrics differ from those reported, or the predictions cannot be
            used.
    """
    from mmrec.api.process_state import preserve_process_state

    folder = Path(run) if isinstance(run, str | Path) else run.folder
    with preserve_process_state():
        if predictions is None:
            return _measure_again(folder, [*words, *to_overrides(settings)])
        return _measure_predictions(folder, predictions)


def _measure_again(folder: Path, words: list[str]) -> "pl.DataFrame":
    settings = evaluate_settings_of([f"run={quoted(str(folder))}", *words])
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
