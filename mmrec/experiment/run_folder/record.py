"""Write the results of a run: run.json, metrics.json, per-user metrics, recommendations, curves, attention, vectors."""

import platform
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, cast

import polars as pl
import torch
from torch import Tensor

from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.data.interactions.split import Split
from mmrec.evaluation.compare.against_baselines import best_baseline, cutoffs
from mmrec.evaluation.measure.calibration import describe_calibration
from mmrec.evaluation.measure.evaluate import Result, intervals_of, mean_over_seeds, values_of
from mmrec.evaluation.measure.fairness import describe_fairness
from mmrec.evaluation.measure.item_groups import ItemGroups
from mmrec.evaluation.measure.list_quality import describe_lists
from mmrec.evaluation.measure.pooled import pooled_slices, reliability
from mmrec.evaluation.measure.slices import compare_slices, make_groups, slices
from mmrec.evaluation.measure.user_groups import sliced_columns, user_groups
from mmrec.evaluation.pages.terminal import SweepRun
from mmrec.experiment.evidence import Evidence
from mmrec.experiment.run_folder.files import CLICK_HEAD, RATING_HEAD
from mmrec.experiment.settings import TrainSettings
from mmrec.files.storage import read_json, write_json, write_parquet, write_tensors
from mmrec.metrics.full_ranking import Evaluated
from mmrec.models.click.predictor import ClickPredictor
from mmrec.models.rating.predictor import RatingPredictor
from mmrec.models.recommender import Recommender
from mmrec.types import ITEM_ID, USER_ID, USER_IDX

_PACKAGES = (
    "mmrec",
    "torch",
    "lightning",
    "transformers",
    "peft",
    "open-clip-torch",
    "torch-geometric",
    "optuna",
    "hydra-core",
    "networkx",
    "numpy",
    "polars",
)


def times_of_run(start: float, features_s: float, fit_s: float) -> dict[str, float]:
    """Return the times of run.json: of features, fitting, evaluating, which is the rest, and the total since `start`, all in seconds."""
    total_s = time.perf_counter() - start
    return {"features_s": features_s, "fit_s": fit_s, "evaluate_s": total_s - fit_s - features_s, "total_s": total_s}


def describe_run(
    settings: TrainSettings, evidence: Evidence, split: Split, times: dict[str, float], n_parameters: int, fit_s: dict[str, float]
) -> dict[str, Any]:
    """The content of `run.json`; `fit_s` has the seconds of training or fitting each model."""
    dataset, index = evidence.dataset, evidence.index
    test_users, known = split.test[USER_ID].n_unique(), split.train[USER_ID].n_unique()
    return {
        "name": settings.run_dir.name,
        "model": settings.training(settings.seeds[0]).model.name,
        "seed": settings.seeds[0],
        "seeds": list(settings.seeds),
        "versions": {"python": platform.python_version()} | _versions(),
        "git": _git_revision(),
        "data": {
            "name": dataset.name,
            "hash": dataset.content_hash,
            "n_users": index.n_users,
            "n_items": index.n_items,
            "n_interactions": len(dataset.interactions),
            "rows": {count.table: count.as_dict() for count in dataset.counts},
            "notes": list(evidence.notes),
        },
        "split": {
            "name": split.name,
            "hash": split.hash,
            "train": len(split.train),
            "valid": len(split.valid),
            "test": len(split.test),
            "n_train_users": known,
            "n_test_users": test_users,
            "n_users_without_positives": index.n_users - test_users,
            "notes": list(split.notes),
        },
        "features": {
            name: {"encoder": found.encoder, "present": int(found.present.sum()), "total": len(found.present)}
            for name, found in evidence.features.items()
        }
        | _graph_coverage(evidence),
        "times": {name: round(seconds, 2) for name, seconds in times.items()},
        "fit_s": {name: round(seconds, 6) for name, seconds in fit_s.items()},
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else f"CPU, {torch.get_num_threads()} threads",
        "n_parameters": n_parameters,
    }


def write_results(
    run_dir: Path,
    evidence: Evidence,
    split: Split,
    results: Sequence[Result],
    train: InteractionMatrix,
    test: EvaluationSet,
    item_groups: Mapping[str, ItemGroups],
    lower_is_better: Sequence[str] = (),
) -> dict[str, Any]:
    """Write metrics.json (returned), per_user.parquet and recommendations.parquet; `results` starts with our model's, one per seed.

    Tasks that do not rank have no recommendations, and no description of lists.
    """
    by_model: dict[str, list[Result]] = {}
    for result in results:
        by_model.setdefault(result.model, []).append(result)
    values = {name: [values_of(r.valid, "val") | values_of(r.test, "test") for r in group] for name, group in by_model.items()}
    ours, seed = results[0].model, results[0].seed
    metrics: dict[str, Any] = {
        "models": {name: mean_over_seeds(group) for name, group in values.items()},
        "seeds": {str(r.seed): v for r, v in zip(by_model[ours], values[ours], strict=True)},
        "confidence": {name: intervals_of([r.test for r in group], "test", seed) for name, group in by_model.items()},
        "tuned": {name: group[0].parameters for name, group in by_model.items() if group[0].parameters},
    }
    if lower_is_better:
        metrics["lower_is_better"] = list(lower_is_better)
    if ranks := results[0].test.ranking is not None:
        first = {name: group[0].test for name, group in by_model.items()}
        metrics |= _describe_lists(metrics, first, train, test, item_groups, evidence, split, seed)
    elif results[0].test.pooled is not None:
        metrics |= _describe_rows({name: group[0].test for name, group in by_model.items()}, train, evidence, split, seed)
    write_json(run_dir / "metrics.json", metrics)
    write_parquet(run_dir / "per_user.parquet", pl.concat([_named(r, evidence) for r in results]))
    if ranks:
        write_parquet(run_dir / "recommendations.parquet", pl.concat([_recommendations(r, evidence) for r in by_model[ours]]))
    return metrics


def _describe_lists(
    metrics: dict[str, Any],
    first: Mapping[str, Evaluated],
    train: InteractionMatrix,
    test: EvaluationSet,
    item_groups: Mapping[str, ItemGroups],
    evidence: Evidence,
    split: Split,
    seed: int,
) -> dict[str, Any]:
    """The entries of metrics.json about the lists of each model, ours first, in addition to `metrics`."""
    ours, k = next(iter(first)), cutoffs(next(iter(first.values())).per_user.columns)[-1]
    expected = first["popularity"].lists.item_idx if "popularity" in first else None
    groups = make_groups(train, user_groups(evidence.dataset.users, evidence.index.user_ids, split.train, split.test))
    found: dict[str, Any] = {
        "lists": {
            name: describe_lists(one.lists, train, test.positives, evidence.features, expected, item_groups, k)
            for name, one in first.items()
        },
        "slices": {name: slices(one, test.positives, groups, k, seed) for name, one in first.items()},
        "fairness": describe_fairness(first, train, groups.users, item_groups, k),
        "calibration": describe_calibration({name: one.lists for name, one in first.items()}, train, item_groups, k),
    }
    if best := best_baseline(metrics, f"ndcg@{k}"):
        tests = compare_slices(first[ours], first[best], test.positives, groups, k, seed)
        found["slice_tests"] = {"metric": f"ndcg@{k}", "baseline": best, "groups": tests}
    return found


def _describe_rows(first: Mapping[str, Evaluated], train: InteractionMatrix, evidence: Evidence, split: Split, seed: int) -> dict[str, Any]:
    """The entries of metrics.json about what each model predicted for single rows."""
    groups = make_groups(train, user_groups(evidence.dataset.users, evidence.index.user_ids, split.train, split.test))
    rows = {name: one.pooled.cpu() for name, one in first.items() if one.pooled is not None}
    return {
        "over_rows": list(next(iter(rows.values())).values()),
        "slices": {name: pooled_slices(one, groups, seed) for name, one in rows.items()},
        "reliability": {name: reliability(one) for name, one in rows.items()},
    }


def write_model(run_dir: Path, evidence: Evidence, model: Recommender) -> bool:
    """Write the files for recommending: attention.parquet, vectors and the head of ratings or clicks if it has them, and ids and titles.

    The table of users also has the columns for slices. Returns whether the model has vectors.
    """
    scorer, index, dataset = model.freeze(), evidence.index, evidence.dataset
    vectors = scorer.vectors()
    if isinstance(scorer, RatingPredictor):
        write_json(run_dir / RATING_HEAD, scorer.head.describe())
    if isinstance(scorer, ClickPredictor):
        write_json(run_dir / CLICK_HEAD, scorer.head.describe())
    if vectors and model.modalities:
        item, modality = cast("Tensor", model.present).nonzero().unbind(1)
        mass = {
            ITEM_ID: index.item_id(item),
            "modality": pl.Series([model.modalities[m] for m in modality.tolist()], dtype=pl.String),
            "weight": vectors.attention[item, modality].numpy(),
        }
        write_parquet(run_dir / "attention.parquet", pl.DataFrame(mass))
    if vectors:
        write_tensors(run_dir / "vectors.safetensors", {"users": vectors.users.contiguous(), "items": vectors.items.contiguous()})
    write_parquet(run_dir / "items.parquet", index.align(dataset.items).select(ITEM_ID, *dataset.text_columns[:1]))
    write_parquet(run_dir / "users.parquet", sliced_columns(dataset.users, index.user_ids))
    return vectors is not None


def write_curves(run_dir: Path, seeds: Sequence[int]) -> None:
    """Write curves.parquet from the CSV logs of the seeds, with the last value of each epoch, if there are logs."""
    curves, folder = [], run_dir / "logs" / "csv"
    for seed in seeds:
        for path in (folder / f"seed_{seed}" / "metrics.csv", *sorted(folder.glob(f"seed_{seed}-*/metrics.csv"))):
            if path.is_file() and (log := _complete_rows(path)) is not None:
                long = log.drop("step").unpivot(index="epoch", variable_name="metric").drop_nulls()
                columns = pl.col("epoch").cast(pl.Int64), pl.col("metric"), pl.col("value").cast(pl.Float64)
                curves.append(long.select(pl.lit(seed, dtype=pl.Int64).alias("seed"), *columns))
    if curves:
        once = pl.concat(curves).unique(["seed", "epoch", "metric"], keep="last", maintain_order=True)
        write_parquet(run_dir / "curves.parquet", once)


def _complete_rows(path: Path) -> pl.DataFrame | None:
    """Read a CSV log up to its last line break, since a killed process may have left an incomplete row or header."""
    lines, line_break, _ = path.read_bytes().rpartition(b"\n")
    return pl.read_csv(lines + line_break, infer_schema_length=None, glob=False) if lines else None


def read_sweep_run(run_dir: Path, label: str) -> SweepRun:
    """Read what a sweep's table needs from a finished run."""
    about, metrics = read_json(run_dir / "run.json"), read_json(run_dir / "metrics.json")
    return SweepRun(label, about["model"], metrics, pl.read_parquet(run_dir / "per_user.parquet", glob=False), about["split"]["hash"])


def _named(result: Result, evidence: Evidence) -> pl.DataFrame:
    users = evidence.index.user_id(torch.from_numpy(result.test.per_user[USER_IDX].to_numpy(writable=True)))
    keys = pl.DataFrame({USER_ID: users}).with_columns(model=pl.lit(result.model), seed=pl.lit(result.seed, dtype=pl.Int64))
    return pl.concat([keys, result.test.per_user.drop(USER_IDX)], how="horizontal")


def _recommendations(result: Result, evidence: Evidence) -> pl.DataFrame:
    ranking = result.test.lists
    row, place = (ranking.item_idx >= 0).nonzero().unbind(1)
    return pl.DataFrame(
        {
            USER_ID: evidence.index.user_id(ranking.user_idx[row]),
            ITEM_ID: evidence.index.item_id(ranking.item_idx[row, place]),
            "rank": (place + 1).numpy(),
            "score": ranking.scores[row, place].numpy(),
        }
    ).with_columns(seed=pl.lit(result.seed, dtype=pl.Int64))


def _graph_coverage(evidence: Evidence) -> dict[str, dict[str, Any]]:
    if evidence.graph is None:
        return {}
    aligned = evidence.graph.item_entity >= 0
    encoder = f"{evidence.graph.n_entities:,} entities, {len(evidence.graph.edge_type):,} triples"
    if evidence.graph.literals:
        encoder += f", literals of {len(evidence.graph.literals.entity_idx):,} entities"
    return {"kg": {"encoder": encoder, "present": int(aligned.sum()), "total": len(aligned)}}


def _versions() -> dict[str, str]:
    """The versions of what is installed of the packages that decide results."""
    found = {}
    for name in _PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _git_revision() -> str | None:
    """The commit of mmrec, with `+` if files have been modified; None outside a checkout."""
    try:
        _git("ls-files", "--error-unmatch", __file__)
        return _git("rev-parse", "HEAD") + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(*words: str) -> str:
    return subprocess.run(["git", "-C", Path(__file__).parent, *words], capture_output=True, text=True, check=True).stdout.strip()
