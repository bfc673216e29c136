"""`mmrec evaluate run=… predictions=…`: any other system's lists, measured as the models of that run were."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl
import torch
from rich.console import Console

from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.data.interactions.index import Index
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.errors import MissingFile
from mmrec.evaluation.compare.against_baselines import cutoffs, paired_difference
from mmrec.evaluation.compare.significance import PairedTest
from mmrec.evaluation.measure.calibration import describe_calibration
from mmrec.evaluation.measure.evaluate import LIST_LENGTH, confidence, evaluate_lists, means
from mmrec.evaluation.measure.external_lists import describe_cleaning, rank_predictions, read_predictions
from mmrec.evaluation.measure.fairness import describe_fairness
from mmrec.evaluation.measure.grades import read_grades
from mmrec.evaluation.measure.item_groups import make_item_groups
from mmrec.evaluation.measure.slices import make_groups, slices
from mmrec.evaluation.measure.user_groups import user_groups
from mmrec.evaluation.pages.terminal import console_table
from mmrec.experiment.prepare import say
from mmrec.experiment.runs import find_run
from mmrec.files.storage import read_json, write_json, write_parquet
from mmrec.types import ITEM_ID, USER_ID, USER_IDX

BESIDE = "vs. the run's best"


def evaluate_predictions(run: str, predictions: str) -> dict[str, float]:
    """Prints the file's metrics beside the run's models, writes them to `<stem>.metrics.json` beside the file, and returns them.

    Those of each user go to `<stem>.per_user.parquet`.

    Raises MissingFile where there is no such run or file, DataError where the file cannot be used.
    """
    run_dir, path = find_run(run), Path(predictions)
    about, measured = read_json(run_dir / "run.json"), read_json(run_dir / "metrics.json")
    ours, seed = about["model"], about["seed"]
    ks = cutoffs(name for name in measured["models"][ours] if name.startswith("test/"))
    index, parts = read_index(run_dir), _read_split(run_dir)
    train, data = _evaluation_set(index, parts)
    ranking, cleaning = rank_predictions(read_predictions(path), index, data, max(LIST_LENGTH, *ks), ks[-1])
    for line in describe_cleaning(cleaning, ks[-1]):
        say(f"  {line}")
    evaluated = evaluate_lists(ranking, data, ks, read_grades(run_dir / "split", index).test)
    per_user = evaluated.per_user
    found, name = means(per_user, "test"), _name(path, measured["models"])
    kinds = user_groups(pl.read_parquet(run_dir / "users.parquet"), index.user_ids, parts["train"], parts["test"])
    groups, item_groups = make_groups(train, kinds), make_item_groups(train)
    test = _test(run_dir, index, per_user, (name, ours, f"ndcg@{ks[-1]}"), seed)
    metrics = {
        "run": str(run_dir),
        "split_hash": about["split"]["hash"],
        "cleaning": asdict(cleaning),
        "models": {name: found},
        "confidence": {name: confidence([per_user], "test", seed)},
        "slices": {name: slices(evaluated, data.positives, groups, ks[-1], seed)},
        "fairness": describe_fairness({name: evaluated}, train, groups.users, item_groups, ks[-1]),
        "calibration": describe_calibration({name: ranking}, train, item_groups, ks[-1]),
        f"against {ours}": {f"ndcg@{ks[-1]}": asdict(test)} if test else {},
    }
    _show(measured | {"models": {name: found} | measured["models"], "seeds": {}}, ks)
    if test:
        interval = f"95% interval {test.low:+.4f} to {test.high:+.4f}"
        say(f"{name} minus {ours} in ndcg@{ks[-1]}: {test.mean:+.4f}, {interval}, p = {test.p_value:.4f}")
    target = path.with_name(f"{path.stem}.metrics.json")
    write_json(target, metrics)
    write_parquet(path.with_name(f"{path.stem}.per_user.parquet"), _with_ids(per_user, index))
    say(f"metrics: {target}")
    return found


def _show(together: dict[str, Any], ks: list[int]) -> None:
    Console().print(console_table(together, [f"{metric}@{k}" for k in ks for metric in ("recall", "ndcg")], BESIDE))


def read_index(run_dir: Path) -> Index:
    """The users and items of a run in the order of its vectors, hence of its ties."""
    return Index(pl.read_parquet(run_dir / "users.parquet")[USER_ID], pl.read_parquet(run_dir / "items.parquet")[ITEM_ID])


def _read_split(run_dir: Path) -> dict[str, pl.DataFrame]:
    paths = {part: run_dir / "split" / f"{part}.parquet" for part in ("train", "valid", "test")}
    for path in paths.values():
        if not path.is_file():
            raise MissingFile(f"{path}: not found; the protocol of a run is its split")
    return {part: pl.read_parquet(path) for part, path in paths.items()}


def _evaluation_set(index: Index, parts: Mapping[str, pl.DataFrame]) -> tuple[InteractionMatrix, EvaluationSet]:
    """The training part, and the test users as the data module has them: training and validation rows are seen."""

    def matrix(frame: pl.DataFrame) -> InteractionMatrix:
        return InteractionMatrix.from_pairs(index.user_idx(frame[USER_ID]), index.item_idx(frame[ITEM_ID]), index.n_users, index.n_items)

    train = matrix(parts["train"])
    return train, EvaluationSet.build(train.union(matrix(parts["valid"])), matrix(parts["test"]))


def _test(run_dir: Path, index: Index, per_user: pl.DataFrame, names: tuple[str, str, str], seed: int) -> PairedTest | None:
    """The file against our model; `names` are theirs and that of the metric."""
    path, (name, ours, metric) = run_dir / "per_user.parquet", names
    if not path.is_file():
        return None
    keys = {"model": pl.lit(name), "seed": pl.lit(0, dtype=pl.Int64)}
    theirs = _with_ids(per_user, index).select(USER_ID, metric).with_columns(**keys)
    both = pl.concat([pl.read_parquet(path).select(theirs.columns), theirs])
    return paired_difference(both, name, ours, metric, seed)


def _with_ids(per_user: pl.DataFrame, index: Index) -> pl.DataFrame:
    """The same with user_id for user_idx."""
    users = index.user_id(torch.from_numpy(per_user[USER_IDX].to_numpy(writable=True)))
    return per_user.drop(USER_IDX).insert_column(0, users)


def _name(path: Path, taken: Mapping[str, Any]) -> str:
    """The file's stem, or the file's name where a model of the run is called so."""
    return path.name if path.stem in taken else path.stem
