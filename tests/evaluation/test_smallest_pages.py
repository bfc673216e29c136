"""Every page of the least that there can be: no group, one group, one user, one item, and test users of whom training knows nothing."""

import json
from pathlib import Path

import polars as pl
import pytest
import torch
from torch import Tensor

from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.data.discover.describe import describe
from mmrec.data.interactions.index import Index
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.data.interactions.split import Split
from mmrec.errors import DataError
from mmrec.evaluation.compare.leaderboard import MeasuredModel, make_section
from mmrec.evaluation.compare.runs import MeasuredRun, compare_runs
from mmrec.evaluation.measure.evaluate import Result, evaluate
from mmrec.evaluation.measure.item_groups import make_item_groups
from mmrec.evaluation.pages.comparison_page import write_comparison
from mmrec.evaluation.pages.dataset_page import write_description
from mmrec.evaluation.pages.leaderboard_page import write_leaderboard
from mmrec.evaluation.pages.run_page import write_report
from mmrec.experiment.evidence import Evidence
from mmrec.experiment.run_folder.record import write_results
from mmrec.types import Dataset, Interactions

Pairs = list[tuple[str, str]]
CASES: dict[str, tuple[Pairs, Pairs, Pairs]] = {
    "one user and one item left": ([("u", "a")], [("u", "b")], [("u", "c")]),
    "one item": ([("u", "a")], [("v", "a")], [("w", "a")]),
    "one item that every user had": ([("u", "a"), ("v", "a")], [("v", "a")], [("u", "a")]),
    "one cold user": ([("u", "a"), ("u", "b")], [("v", "a")], [("w", "a")]),
    "cold users": ([("u", "a"), ("u", "b"), ("v", "b")], [("x", "a")], [("w", "a"), ("y", "b"), ("y", "a")]),
    "cold items": ([("u", "a"), ("v", "b")], [("u", "b")], [("u", "c"), ("v", "d")]),
    "cold users and cold items": ([("u", "a")], [("v", "b")], [("w", "c")]),
}
KS = [1, 5]


class ByIndex:
    """Scores items by their item_idx, upwards or downwards."""

    def __init__(self, n_items: int, sign: float) -> None:
        self.scores = sign * torch.arange(n_items, dtype=torch.float32)

    def score_users(self, user_idx: Tensor) -> Tensor:
        return self.scores.repeat(len(user_idx), 1)


def table(pairs: Pairs, with_times: bool) -> pl.DataFrame:
    frame = pl.DataFrame(pairs, schema=["user_id", "item_id"], orient="row")
    return frame.with_columns(timestamp=pl.int_range(len(pairs), dtype=pl.Int64)) if with_times else frame


def make_run(folder: Path, parts: tuple[Pairs, Pairs, Pairs], with_times: bool) -> tuple[dict, pl.DataFrame, Dataset]:
    """A run folder's tables and its report; metrics.json, the rows of our model by user, and the dataset."""
    tables = [table(pairs, with_times) for pairs in parts]
    items = pl.DataFrame({"item_id": sorted({item for pairs in parts for _, item in pairs})})
    dataset = Dataset("small", folder, pl.concat(tables), items.with_columns(genre=pl.lit("x")), ())
    index = Index.build(dataset, 0)
    split = Split(*tables, "given", ())
    (folder / "split").mkdir(parents=True)
    for name, frame in zip(("train", "valid", "test"), tables, strict=True):
        frame.write_parquet(folder / "split" / f"{name}.parquet")

    def matrix(frame: pl.DataFrame) -> InteractionMatrix:
        found: Interactions = index.interactions(frame)
        return InteractionMatrix.from_pairs(found.user_idx, found.item_idx, index.n_users, index.n_items)

    train, valid, test = map(matrix, tables)
    sets = EvaluationSet.build(train, valid), EvaluationSet.build(train.union(valid), test)
    scorers = {"ours": ByIndex(index.n_items, 1.0), "popularity": ByIndex(index.n_items, -1.0)}
    results = [Result(name, 1, *(evaluate(scorer, part, KS, None, True) for part in sets), {}, 0.0) for name, scorer in scorers.items()]
    evidence = Evidence(dataset, index, {}, None, (), 0.0)
    groups = make_item_groups(train, dataset.items, index, "genre")
    metrics = write_results(folder, evidence, split, results, train, sets[1], groups)
    (folder / "run.json").write_text(json.dumps({"model": "ours", "seed": 1, "fit_s": {"ours": 0.0, "popularity": 0.0}}))
    per_user = pl.read_parquet(folder / "per_user.parquet").filter(model="ours").drop("model")
    return metrics, per_user, dataset


@pytest.mark.parametrize("with_times", [True, False])
@pytest.mark.parametrize("case", CASES)
def test_a_report(case: str, with_times: bool, tmp_path: Path) -> None:
    _, _, dataset = make_run(tmp_path, CASES[case], with_times)
    html = write_report(tmp_path, dataset).read_text(encoding="utf-8")
    assert "in test ndcg@5" in html and "not measured" not in html and ">nan" not in html.lower()


@pytest.mark.parametrize("case", CASES)
def test_a_comparison_and_a_leaderboard(case: str, tmp_path: Path) -> None:
    metrics, per_user, _ = make_run(tmp_path, CASES[case], True)
    runs = [MeasuredRun(label, label, metrics["models"]["ours"], metrics["slices"]["ours"], per_user, "h") for label in ("a", "b")]
    if len(per_user) < 2:
        with pytest.raises(DataError, match="expected at least two users common to both, found 1"):
            compare_runs(runs, None, seed=0)
    else:
        write_comparison(tmp_path / "compare.html", compare_runs(runs, None, seed=0))
    models = [MeasuredModel(name, name == "b", per_user, {1: 0.0}, {1: {"coverage@5": 1.0}}, {1: {}}) for name in ("a", "b")]
    for n_models in (1, 2):
        section = make_section("d", "s", models[:n_models], ["ndcg@5"], "ndcg@5", seed=0)
        write_leaderboard(tmp_path, "board", [section], [])
    write_leaderboard(tmp_path, "board", [], [])


@pytest.mark.parametrize("with_times", [True, False])
@pytest.mark.parametrize("case", CASES)
def test_a_description(case: str, with_times: bool, tmp_path: Path) -> None:
    _, _, dataset = make_run(tmp_path, CASES[case], with_times)
    for n_examples in (0, 1):
        write_description(tmp_path / "page.html", describe(dataset, n_examples), dataset)
        assert ">nan" not in (tmp_path / "page.html").read_text(encoding="utf-8").lower()
