"""Evaluate the lists of other systems in the same way as the models of a run."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import polars as pl
import torch

from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.data.interactions.index import Index
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.errors import DataError
from mmrec.evaluation.compare.against_baselines import cutoffs, paired_difference
from mmrec.evaluation.compare.significance import PairedTest
from mmrec.evaluation.measure.calibration import describe_calibration
from mmrec.evaluation.measure.evaluate import confidence, evaluate_lists, mean_over_seeds, means
from mmrec.evaluation.measure.external_lists import SEED, Cleaning, by_seed, describe_cleaning, rank_predictions, read_predictions
from mmrec.evaluation.measure.fairness import describe_fairness
from mmrec.evaluation.measure.grades import Graded, read_grades
from mmrec.evaluation.measure.item_groups import make_item_groups
from mmrec.evaluation.measure.slices import make_groups, slices
from mmrec.evaluation.measure.user_groups import user_groups
from mmrec.experiment.run_folder.files import read_entry, read_index, read_measured, read_split, read_table
from mmrec.experiment.run_folder.find import find_run
from mmrec.files.storage import read_json, write_json, write_parquet
from mmrec.frames import as_frame
from mmrec.metrics.full_ranking import LIST_LENGTH, Evaluated
from mmrec.types import ITEM_ID, USER_ID, USER_IDX

BESIDE = "vs. best of the run"
_log = logging.getLogger(__name__)


class PredictionsMeasured(NamedTuple):
    """The results for a file of lists."""

    name: str
    found: dict[str, float]
    """Test metrics, means over seeds."""
    ks: list[int]
    ours: str
    """The name of the run's model."""
    beside: dict[str, Any]
    """The content of the run's metrics.json, with the file as the first model."""
    test: PairedTest | None
    """The test of the file against the run's model in ndcg at the largest cutoff."""
    target: Path | None = None
    """The file with the metrics; None for a table in memory."""


def evaluate_predictions(run: str, predictions: str) -> PredictionsMeasured:
    """Evaluate the lists of a file, and write their metrics to `<stem>.metrics.json` and `<stem>.per_user.parquet` next to it.

    Lists with a `seed` are evaluated separately per seed; as in a run, metrics are means over seeds, and slices, fairness and calibration
    are those of the first seed.

    Raises:
        MissingFile: the run or the file does not exist.
        DataError: the file cannot be used.
    """
    run_dir, path = find_run(run), Path(predictions)
    taken = read_json(run_dir / "metrics.json").get("models", {})
    measured, metrics, per_user = _measure_lists(run_dir, partial(read_predictions, path), path.name if path.stem in taken else path.stem)
    target = path.with_name(f"{path.stem}.metrics.json")
    write_json(target, metrics)
    write_parquet(path.with_name(f"{path.stem}.per_user.parquet"), per_user)
    return measured._replace(target=target)


def measure_frame(run_dir: Path, predictions: Any, name: str = "predictions") -> PredictionsMeasured:
    """Evaluate the lists of a table in memory as `evaluate_predictions` does for a file, without writing anything.

    Args:
        run_dir: a finished run.
        predictions: a table as accepted by `mmrec.frames.as_frame`.
        name: the name of the table among the models.
    """
    frame = as_frame(predictions, name)

    def read() -> pl.DataFrame:
        with TemporaryDirectory() as folder:  # read like a file, so that invalid rows give the same messages
            path = Path(folder) / f"{name}.parquet"
            frame.with_columns(pl.col(key).cast(pl.String) for key in (USER_ID, ITEM_ID) if key in frame.columns).write_parquet(path)
            return read_predictions(path)

    return _measure_lists(find_run(run_dir), read, name)[0]


def _measure_lists(run_dir: Path, read: Callable[[], pl.DataFrame], name: str) -> tuple[PredictionsMeasured, dict[str, Any], pl.DataFrame]:
    """Evaluate the lists that `read` returns: the results, the content of the metrics file, and the metrics per user."""
    about, measured = read_json(run_dir / "run.json"), read_json(run_dir / "metrics.json")
    ours, seed = (read_entry(run_dir / "run.json", about, (key,), kind) for key, kind in (("model", str), ("seed", int)))
    reported = read_measured(run_dir / "metrics.json", measured, ours)
    ks = cutoffs(name for name in reported if name.startswith("test/"))
    if not ks:
        raise DataError(f"{run_dir}: its task does not rank, so lists cannot be evaluated with it")
    parts = read_split(run_dir, about)
    index = read_index(run_dir, parts)
    train, data = _evaluation_set(index, parts)
    seeds, evaluated, cleanings = _measure(read(), index, data, ks, read_grades(run_dir / "split", index).test)
    per_seed, first = [one.per_user for one in evaluated], evaluated[0]
    per_user = pl.concat([_with_ids(frame, index, one) for one, frame in zip(seeds, per_seed, strict=True)])
    found = mean_over_seeds([means(frame, "test") for frame in per_seed])
    kinds = user_groups(read_table(run_dir / "users.parquet", USER_ID), index.user_ids, parts["train"], parts["test"])
    groups, item_groups = make_groups(train, kinds), make_item_groups(train)
    test = _test(run_dir, per_user, (name, ours, f"ndcg@{ks[-1]}"), seed)
    intervals = {name: confidence(per_seed, "test", seed)}
    metrics = {
        "run": str(run_dir),
        "split_hash": about["split"]["hash"],
        "cleaning": asdict(cleanings[0]) if len(seeds) == 1 else dict(zip(map(str, seeds), map(asdict, cleanings), strict=True)),
        "models": {name: found},
        "confidence": intervals,
        "slices": {name: slices(first, data.positives, groups, ks[-1], seed)},
        "fairness": describe_fairness({name: first}, train, groups.users, item_groups, ks[-1]),
        "calibration": describe_calibration({name: first.lists}, train, item_groups, ks[-1]),
        f"against {ours}": {f"ndcg@{ks[-1]}": asdict(test)} if test else {},
    }
    both = {"models": {name: found} | measured["models"], "confidence": intervals | measured.get("confidence", {}), "seeds": {}}
    return PredictionsMeasured(name, found, ks, ours, measured | both, test), metrics, per_user


def _measure(
    predictions: pl.DataFrame, index: Index, data: EvaluationSet, ks: list[int], graded: Graded | None
) -> tuple[list[int | None], list[Evaluated], list[Cleaning]]:
    """The seeds of the lists ([None] if they have none), and for each the results and the counts of removed rows."""
    seeds, evaluated, cleanings = [], [], []
    for seed, lists in by_seed(predictions).items():
        ranking, cleaning = rank_predictions(lists, index, data, max(LIST_LENGTH, *ks), ks[-1])
        for line in describe_cleaning(cleaning, ks[-1]):
            _log.info(f"  {line}" if seed is None else f"  seed {seed}: {line}")
        seeds.append(seed)
        evaluated.append(evaluate_lists(ranking, data, ks, graded))
        cleanings.append(cleaning)
    return seeds, evaluated, cleanings


def _evaluation_set(index: Index, parts: Mapping[str, pl.DataFrame]) -> tuple[InteractionMatrix, EvaluationSet]:
    """The training part, and the test set with training and validation rows as seen."""

    def matrix(frame: pl.DataFrame) -> InteractionMatrix:
        return InteractionMatrix.from_pairs(index.user_idx(frame[USER_ID]), index.item_idx(frame[ITEM_ID]), index.n_users, index.n_items)

    train = matrix(parts["train"])
    return train, EvaluationSet.build(train.union(matrix(parts["valid"])), matrix(parts["test"]))


def _test(run_dir: Path, per_user: pl.DataFrame, names: tuple[str, str, str], seed: int) -> PairedTest | None:
    """The test of the file against our model; `names` are theirs and that of the metric."""
    path, (name, ours, metric) = run_dir / "per_user.parquet", names
    if not path.is_file():
        return None
    seeds = pl.col(SEED) if SEED in per_user.columns else pl.lit(0, dtype=pl.Int64)
    theirs = per_user.select(USER_ID, metric, model=pl.lit(name), seed=seeds)
    both = pl.concat([read_table(path, *theirs.columns).select(theirs.columns), theirs])
    return paired_difference(both, name, ours, metric, seed)


def _with_ids(per_user: pl.DataFrame, index: Index, seed: int | None) -> pl.DataFrame:
    """Replace user_idx by user_id, and add the seed if there is one."""
    users = index.user_id(torch.from_numpy(per_user[USER_IDX].to_numpy(writable=True)))
    seeds = [] if seed is None else [pl.lit(seed, dtype=pl.Int64).alias(SEED)]
    return per_user.select(users, *seeds, pl.exclude(USER_IDX))
