"""Counterfactual evaluation of a trained model: its metrics when a modality is dropped, shuffled, replaced by noise, or rewired.

The model was trained on the original evidence, so this shows what it relies on. What could be achieved without the evidence is another
question, which `mmrec train -m "ablation=[],[no_text]"` and `evidence.text=shuffled` answer.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import polars as pl
import torch

from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.data.features.counterfactual import change_spec, changes_of
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.evaluation.compare.significance import bootstrap_interval
from mmrec.metrics.full_ranking import Ranking, evaluate_part, rank_users
from mmrec.models.recommender import Recommender
from mmrec.types import COLLABORATIVE, DatasetSpec, Scorer

DROPPED, ALONE = "dropped", "all content"
METRICS = ("recall", "ndcg")


class Counterfactual(NamedTuple):
    """A model that was trained on the original evidence, with changed evidence."""

    modality: str
    """The changed modality; `ALONE`: all content, so that only the collaborative signal is left."""
    change: str
    scorer: Scorer


def counterfactuals(
    model: Recommender, spec: DatasetSpec, build: Callable[[DatasetSpec], Recommender], seed: int
) -> Iterator[Counterfactual]:
    """All changes of all modalities of a trained model. `build` creates an untrained copy for a changed specification."""
    content = [name for name in model.modalities if name != COLLABORATIVE]
    for name in (*(model.modalities if len(model.modalities) > 1 else ()), *model.user_modalities):
        yield Counterfactual(name, DROPPED, model.freeze(hidden=[name]))
    if COLLABORATIVE in model.modalities and len(content) > 1:
        yield Counterfactual(ALONE, DROPPED, model.freeze(hidden=content))
    weights = model.state_dict()
    for name in (*content, *model.user_modalities):
        for change in changes_of(name):
            changed = build(change_spec(spec, name, change, seed))
            changed.load_state_dict(weights)
            yield Counterfactual(name, change, changed.freeze())


def measure_counterfactuals(
    intact: Ranking, changed: Iterator[Counterfactual], data: EvaluationSet, train: InteractionMatrix, k: int, seed: int
) -> pl.DataFrame:
    """The effect of every change on recall and ndcg at k, over all items, and over warm and cold items separately if there are both.

    Returns:
        One row per modality, change, group of items and metric: `modality, change, items, metric, intact, changed, difference, low, high,
        n_users`, where the difference is changed - intact with its 95% interval over users. A group contains only the positives in it, and
        the users who have any.
    """
    warm = train.item_degree > 0
    groups = {"all": torch.ones_like(warm), "warm": warm, "cold": ~warm}
    parts = {name: data.positives.of_items(inside) for name, inside in groups.items()}
    if not (len(parts["warm"].indices) and len(parts["cold"].indices)):
        parts = {"all": parts["all"]}
    before = {name: evaluate_part(intact, part, [k]) for name, part in parts.items()}
    rows = []
    for modality, change, scorer in changed:
        ranking = rank_users(scorer, data.user_idx, data.seen, intact.item_idx.shape[1])
        for name, part in parts.items():
            after = evaluate_part(ranking, part, [k])
            for metric in METRICS:
                values, intact_values = (frame[f"{metric}@{k}"].to_numpy()[None] for frame in (after, before[name]))
                means = (float(intact_values.mean()), float(values.mean()), float((values - intact_values).mean()))
                interval = bootstrap_interval(values, intact_values, seed)
                rows.append((modality, change, name, f"{metric}@{k}", *means, *interval, len(after)))
    columns = ["modality", "change", "items", "metric", "intact", "changed", "difference", "low", "high", "n_users"]
    return pl.DataFrame(rows, schema=columns, orient="row")


def describe_worth(table: pl.DataFrame, metric: str) -> list[str]:
    """A sentence for each modality, without its full stop: the effect of dropping it, and whether it is significant."""
    dropped = table.filter((pl.col("change") == DROPPED) & (pl.col("metric") == metric))
    sentences = []
    for modality, part in dropped.group_by("modality", maintain_order=True):
        found = [_in_words(row) for row in part.iter_rows(named=True)]
        sentences.append(f"without {modality[0]}, {metric} " + "; ".join(found))
    return sentences


def _in_words(row: dict[str, Any]) -> str:
    where = "" if row["items"] == "all" else f"on {row['items']} items "
    if row["low"] <= 0 <= row["high"]:
        return f"{where}does not change significantly ({row['difference']:+.4f})".replace("-", "−")
    share = f", {abs(row['difference']) / row['intact']:.0%} of it" if row["intact"] else ""
    return f"{where}{'falls' if row['difference'] < 0 else 'rises'} by {abs(row['difference']):.4f}{share}"
