"""Write `report.html`, a self-contained page about a run, from the files of its folder and the dataset.

Sections whose file is missing (curves, attention, …) are left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import polars as pl
from markupsafe import Markup

from mmrec.charts.figures import Estimate, Grid, Line, dot_plot, forest_plot, line_chart, stacked_bars
from mmrec.data.tables.aggregates import mean
from mmrec.evaluation.compare.against_baselines import Comparison, compare, cutoff, cutoffs, describe_standing, headline, paired_difference
from mmrec.evaluation.compare.pareto import pareto_view
from mmrec.evaluation.compare.significance import PairedTest
from mmrec.evaluation.format import format_duration
from mmrec.evaluation.measure.counterfactual import describe_worth
from mmrec.evaluation.pages.examples import UserView, example_users
from mmrec.evaluation.pages.render import render
from mmrec.evaluation.pages.run_attacks import attack_views
from mmrec.evaluation.pages.run_fairness import calibration_views, fairness_view
from mmrec.evaluation.pages.run_interests import half_lives, interest_charts
from mmrec.evaluation.pages.run_reliability import reliability_chart
from mmrec.evaluation.pages.run_slices import describe_slice_tests, slice_views
from mmrec.evaluation.pages.run_tasks import tasks_view, without_tasks
from mmrec.evaluation.pages.run_trials import trials_view
from mmrec.files.storage import read_json, write_text
from mmrec.metrics.direction import sign
from mmrec.models.priors.grid import describe_choices
from mmrec.types import ITEM_ID, MODALITIES, Dataset

METRICS, AUC = ("recall", "ndcg", "graded_ndcg", "hit_rate", "mrr", "map", "precision"), "auc"
SPLIT_PARTS = {"train": "to train", "valid": "to validate", "test": "to test"}
DEGREE_EDGES = (1, 10, 100)
N_EXAMPLES, N_RECOMMENDATIONS = 20, 10


@dataclass(frozen=True)
class RunFolder:
    """The content of a run folder; tables are None if their file is missing."""

    run: dict[str, Any]
    metrics: dict[str, Any]
    config: str
    split: dict[str, pl.DataFrame] | None
    per_user: pl.DataFrame | None
    recommendations: pl.DataFrame | None
    curves: pl.DataFrame | None
    attention: pl.DataFrame | None
    counterfactuals: pl.DataFrame | None
    interests: pl.DataFrame | None
    trials: dict[str, Any] | None
    attacks: dict[str, Any] | None = None


def write_report(run_dir: Path, dataset: Dataset) -> Path:
    """Write `run_dir/report.html` and return its path. Titles (the first text column) and pictures are taken from `dataset`.

    Raises:
        MissingFile: `run.json` or `metrics.json` does not exist.
        DataError: one of them is not valid JSON.
    """
    folder = read_run(run_dir)
    target = run_dir / "report.html"
    write_text(target, render("report.html.j2", _context(folder, dataset)))
    return target


def read_run(run_dir: Path) -> RunFolder:
    """Read a run folder, of which only `run.json` and `metrics.json` are required, with the recommendations of the first seed."""
    config = run_dir / "config.yaml"
    parts = {part: run_dir / "split" / f"{part}.parquet" for part in SPLIT_PARTS}
    return RunFolder(
        run=read_json(run_dir / "run.json"),
        metrics=read_json(run_dir / "metrics.json"),
        config=config.read_text(encoding="utf-8") if config.exists() else "",
        split={part: pl.read_parquet(path, glob=False) for part, path in parts.items()}
        if all(p.exists() for p in parts.values())
        else None,
        per_user=_read_table(run_dir / "per_user.parquet"),
        recommendations=_of_first_seed(_read_table(run_dir / "recommendations.parquet")),
        curves=_read_table(run_dir / "curves.parquet"),
        attention=_read_table(run_dir / "attention.parquet"),
        counterfactuals=_read_table(run_dir / "counterfactuals.parquet"),
        interests=_read_table(run_dir / "interests.parquet"),
        trials=read_json(run_dir / "trials.json") if (run_dir / "trials.json").exists() else None,
        attacks=read_json(run_dir / "attack.json") if (run_dir / "attack.json").exists() else None,
    )


def _context(folder: RunFolder, dataset: Dataset) -> dict[str, Any]:
    """The values of all names in the template."""
    comparison, judged_by = compare(folder.metrics, _columns(folder.metrics)), headline(folder.metrics)
    return {
        "run": folder.run,
        "title": f"{comparison.ours} on {folder.run.get('data', {}).get('name', dataset.name)}",
        "facts": _facts(folder.run),
        "circumstances": _circumstances(folder.run, comparison.ours),
        "standing": describe_standing(compare(folder.metrics, [judged_by]), judged_by),
        "judged_by": judged_by,
        "standings": _standings(folder.metrics, judged_by),
        "paired": _paired(folder, comparison, judged_by),
        "comparison": comparison,
        "tasks": tasks_view(folder.metrics, folder.run, folder.curves),
        "column_groups": [(name, list(group)) for name, group in groupby(comparison.columns, key=_column_group)],
        "tuned": {model: _settings(values) for model, values in folder.metrics.get("tuned", {}).items()},
        "chosen": _chosen(folder.run.get("chosen") or {}),
        "half_lives": half_lives(folder.run.get("chosen") or {}),
        "interests": interest_charts(folder.interests),
        "attacks": attack_views(folder.attacks),
        "trials": trials_view(folder.trials, folder.metrics.get("lower_is_better", ())),
        "curves": _curve_charts(folder.curves, folder.metrics.get("lower_is_better", ())),
        "attention": _attention(folder, comparison.ours),
        "worth": _worth(folder.counterfactuals),
        "lists": folder.metrics.get("lists", {}),
        "pareto": pareto_view(folder.metrics, folder.run, judged_by),
        "slices": slice_views(folder.metrics),
        "for_whom": describe_slice_tests(folder.metrics),
        "fairness": fairness_view(folder.metrics),
        "calibration": calibration_views(folder.metrics),
        "reliability": reliability_chart(folder.metrics),
        "users": _users(folder, dataset),
        "has_times": folder.split is not None and "timestamp" in folder.split["train"].columns,
        "n_recommendations": N_RECOMMENDATIONS,
        "features": folder.run.get("features", {}),
        "config": folder.config,
    }


def _facts(run: dict[str, Any]) -> list[tuple[str, str]]:
    """The key figures at the top of the page; those missing in run.json are left out."""
    data, split = run.get("data", {}), run.get("split", {})
    counts = {
        "users": data.get("n_users"),
        "items": data.get("n_items"),
        "interactions": data.get("n_interactions"),
        "test users": split.get("n_test_users"),
        "parameters": run.get("n_parameters"),
    }
    facts = [(name, f"{value:,}") for name, value in counts.items() if value is not None]
    total = run.get("times", {}).get("total_s")
    return facts + ([("in all", format_duration(total))] if total is not None else [])


def _circumstances(run: dict[str, Any], ours: str) -> list[str]:
    """One sentence each on split, seeds, model, device and users left out; those missing in run.json are left out."""
    split, seeds, sentences = run.get("split", {}), run.get("seeds") or [], []
    if "name" in split:
        counts = [f"{split[part]:,} {purpose}" for part, purpose in SPLIT_PARTS.items() if part in split]
        sentences.append(f"Split {split['name']}" + (f", interactions {', '.join(counts)}." if counts else "."))
    if seeds:
        listed = ", ".join(map(str, seeds))
        sentences.append(f"Mean of {len(seeds)} seeds ({listed})." if len(seeds) > 1 else f"One seed ({listed}).")
    if run.get("model", ours) != ours:
        sentences.append(f"Model {run['model']}.")
    if run.get("device"):
        sentences.append(f"Ran on {run['device']}.")
    if split.get("n_users_without_positives"):
        sentences.append(f"{split['n_users_without_positives']:,} users without test interactions are left out.")
    return sentences


def _columns(metrics: dict[str, Any]) -> list[str]:
    """The metrics that at least one model has, at all cutoffs, followed by the headline metric on the validation part."""
    measured = {key for values in metrics["models"].values() for key in values}
    ks = cutoffs(name for name in measured if name.startswith("test/"))
    names, validation = [*(f"{metric}@{k}" for metric in METRICS for k in ks), AUC], f"val/{headline(metrics)}"
    if validation.partition("@")[0] != "val/ndcg":  # not a ranking task
        names = [name.removeprefix("test/") for name in next(iter(metrics["models"].values())) if name.startswith("test/")]
    return [name for name in names if f"test/{name}" in measured] + [validation] * (validation in measured)


def _column_group(column: str) -> str:
    return "validation" if column.startswith("val/") else column.split("@")[0]


def _standings(metrics: dict[str, Any], metric: str) -> Markup:
    """A chart of all models in the headline metric, best first; empty without baselines."""
    comparison = compare(metrics, [metric])
    measured = {model: cell for model, (cell,) in comparison.rows.items() if cell.value is not None}
    if len(measured) < 2 or comparison.ours not in measured:
        return Markup("")
    better = sign(metric, metrics.get("lower_is_better", ()))
    ranked = sorted(measured, key=lambda model: -better * (measured[model].value or 0.0))
    grid = Grid(ranked, [metric], [[measured[model].value for model in ranked]], [], [[measured[model].interval for model in ranked]])
    return dot_plot(f"test {metric} of every model", grid, comparison.ours, f"test {metric}")


def _paired(folder: RunFolder, comparison: Comparison, metric: str) -> PairedTest | None:
    """The paired test of the trained model against the best baseline in one metric."""
    if metric not in comparison.columns or folder.per_user is None or metric not in folder.per_user.columns:
        return None
    difference = comparison.differences[comparison.columns.index(metric)]
    if difference is None:
        return None
    return paired_difference(folder.per_user, comparison.ours, difference.baseline, metric, folder.run.get("seed", 0))


def _settings(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} = {value:g}" if isinstance(value, float) else f"{name} = {value}" for name, value in values.items())


def _chosen(by_seed: dict[str, dict[str, dict[str, Any]]]) -> list[tuple[str, str, str]]:
    """Rows of seed, part and chosen settings; empty for runs of versions that did not record them."""
    return [(seed, part, describe_choices(values)) for seed, parts in by_seed.items() for part, values in parts.items()]


def _curve_charts(curves: pl.DataFrame | None, lower_is_better: Sequence[str]) -> list[Markup]:
    """Charts of losses, and of recall and ndcg on the validation part at their largest k, with one line per seed."""
    if curves is None:
        return []
    charts = []
    for metric in _curves_shown(curves["metric"].unique().to_list()):
        rows = curves.filter(pl.col("metric") == metric).drop_nulls("value").sort("seed", "epoch")
        lines = [
            Line(f"seed {seed}", [(float(epoch), float(value)) for epoch, value in part.select("epoch", "value").iter_rows()])
            for (seed,), part in rows.group_by("seed", maintain_order=True)
        ]
        is_marked = metric.startswith("val/") and sign(metric, lower_is_better) > 0
        charts.append(line_chart(f"{metric} by epoch and seed", lines, "epoch", metric, mark_highest=is_marked))
    return [chart for chart in charts if chart]


def _curves_shown(metrics: list[str]) -> list[str]:
    """The logged training metrics, and recall and ndcg on the validation part; of several tasks, what selects."""
    if any(name.count("/") > 1 for name in metrics):
        return sorted(without_tasks(metrics))
    shown = sorted(name for name in metrics if name.startswith("train/"))
    for name in ("val/ndcg", "val/recall"):
        at = [metric for metric in metrics if metric.startswith(f"{name}@")]
        shown += [max(at, key=cutoff)] if at else []
    return shown if any(name.startswith("val/") for name in shown) else sorted(metrics)


def _attention(folder: RunFolder, ours: str) -> tuple[Grid, Markup] | None:
    """The mean attention weight of each modality over all items, and over items grouped by training interactions."""
    if folder.attention is None or folder.attention.is_empty():
        return None
    weights = folder.attention.pivot("modality", index=ITEM_ID, values="weight", aggregate_function="sum").fill_null(0.0)
    names = [name for name in weights.columns if name != ITEM_ID]
    series = [name for name in MODALITIES if name in names] + sorted(set(names) - set(MODALITIES))
    parts = {"all items": weights} | _by_degree(weights, folder.split)
    values: list[list[float | None]] = [[float(mean(part[name])) for part in parts.values()] for name in series]
    grid = Grid(list(parts), series, values, [len(part) for part in parts.values()])
    return grid, stacked_bars(f"Mean attention of {ours} to each modality", grid, "share of the attention, mean over items")


def _worth(table: pl.DataFrame | None) -> tuple[list[str], list[Markup]] | None:
    """A sentence per modality, and a forest plot of all counterfactual changes per group of items."""
    if table is None:
        return None
    metric = max((name for name in table["metric"].unique() if name.startswith("ndcg@")), key=cutoff)
    charts = []
    for (items,), part in table.filter(pl.col("metric") == metric).group_by("items", maintain_order=True):
        rows = part.sort("modality", maintain_order=True).iter_rows(named=True)
        estimates = [Estimate(f"{row['modality']}, {row['change']}", row["difference"], row["low"], row["high"]) for row in rows]
        charts.append(
            forest_plot(f"Change of {metric} on {items} items, by counterfactual evidence", estimates, f"Δ {metric}, {items} items")
        )
    return describe_worth(table, metric), charts


def _by_degree(weights: pl.DataFrame, split: dict[str, pl.DataFrame] | None) -> dict[str, pl.DataFrame]:
    """The rows of items with 0, 1–9, 10–99 and at least 100 training interactions, without empty ranges."""
    if split is None:
        return {}
    degree = split["train"].group_by(ITEM_ID).len()
    weights = weights.join(degree, on=ITEM_ID, how="left").with_columns(pl.col("len").fill_null(0))
    lows, highs = (0, *DEGREE_EDGES), (*DEGREE_EDGES, None)
    parts = {}
    for low, high in zip(lows, highs, strict=True):
        name = f"{low}+ times" if high is None else f"{low}–{high - 1} times" if high - low > 1 else "never seen"
        parts[name] = weights.filter((pl.col("len") >= low) & (pl.col("len") < high if high is not None else True))
    return {name: part for name, part in parts.items() if len(part)}


def _users(folder: RunFolder, dataset: Dataset) -> Sequence[UserView]:
    if folder.split is None or folder.recommendations is None:
        return []
    return example_users(folder.recommendations, folder.split, dataset, N_EXAMPLES, N_RECOMMENDATIONS)


def _read_table(path: Path) -> pl.DataFrame | None:
    return pl.read_parquet(path, glob=False) if path.exists() else None


def _of_first_seed(lists: pl.DataFrame | None) -> pl.DataFrame | None:
    """The rows of the first seed; all rows for runs of versions without the column `seed`."""
    return lists if lists is None or "seed" not in lists.columns else lists.filter(pl.col("seed") == pl.col("seed").first())
