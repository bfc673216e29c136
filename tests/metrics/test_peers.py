"""mmrec against its peers on random lists; the table is that of mmrec/metrics/DEFINITIONS.md, and every entry of it is shown to hold.

| metric | ranx 0.3.21 | ir-measures 0.4.3 | torchmetrics 1.9.0 | RecTools 0.19.0 |
|---|---|---|---|---|
| recall | = | = | = | = |
| precision | = | = | = | = |
| hit_rate | = | = | = | = |
| mrr | = | = | = | = |
| map | a | a | b | a |
| ndcg | = | = | = | c |
| graded_ndcg linear | = | = | = | – |
| graded_ndcg exponential | = | = | = | – |
| auc | – | – | g | d |
| novelty | – | – | – | = |
| average_popularity | – | – | – | = |
| catalogue_coverage | – | – | – | = |
| serendipity | – | – | – | e |
| rmse | – | – | = | – |
| mae | – | – | = | – |
| click_auc | – | – | = | – |
| ece_equal_width | – | – | = | – |
| users without positives | f | = | f | = |

- a: divides by all positives, so that a user with more than `k` of them cannot reach 1; mmrec divides by min(`k`, positives).
- b: divides by the hits among the first `k`, so that a single hit at rank 1 is worth 1, whatever else was missed.
- c: assumes an ideal list of `k` positives, so that a user with fewer cannot reach 1; `divide_by_achievable=True` is mmrec's.
- d: `PartialAUC`, up to the first `k` items that are no positives: equal where `k` is the number of a user's other candidates.
- e: weighs each hit by its rank in the list less its rank by popularity; mmrec's is the share of hits outside the popularity list.
- f: 0, and they count in the mean; `=` leaves them out, as torchmetrics does with `empty_target_action="skip"`.
- g: 0 for a user whose candidates are all positives; mmrec's is NaN, for there is no pair to compare.
"""

import json
import re
import sys
import types
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import ir_measures
import numba
import numpy as np
import pytest
import torch
import torchmetrics.functional as tm
import torchmetrics.functional.retrieval as tmr
from ir_measures import AP, RR, P, Qrel, R, ScoredDoc, Success, nDCG
from torch import Tensor
from torchmetrics.retrieval import RetrievalRecall

from mmrec.metrics.auc import auc
from mmrec.metrics.beyond_accuracy import average_popularity, catalogue_coverage, count_exposure, novelty, serendipity
from mmrec.metrics.click import click_auc, ece_equal_width
from mmrec.metrics.graded import graded_ndcg, linear
from mmrec.metrics.ranking import METRICS
from mmrec.metrics.rating import mae, rmse
from tests.metrics.gains import exponential

DEFINITIONS = (Path(__file__).parents[2] / "mmrec" / "metrics" / "DEFINITIONS.md").read_text(encoding="utf-8")
RECTOOLS = json.loads(Path(__file__).with_name("rectools.json").read_text(encoding="utf-8"))
N_USERS, N_ITEMS, KS = 120, 12, (1, 3, 5, 20)
TOLERANCE = {"torchmetrics": 1e-6}
Values = dict[tuple[str, int], Tensor]


def table() -> dict[tuple[str, str], str]:
    """The sign of each metric and peer."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in __doc__.splitlines() if line.startswith("|")]
    peers = [name.split()[0] for name in rows[0][1:]]
    return {(row[0], peer): sign for row in rows[2:] for peer, sign in zip(peers, row[1:], strict=True)}


def draw() -> tuple[Tensor, Tensor]:
    """Grades of 0 to 3 by item, at least one above 0 a user, and distinct scores: every list is one of the whole catalogue."""
    generator = torch.Generator().manual_seed(0)
    grades = torch.randint(1, 4, (N_USERS, N_ITEMS), generator=generator)
    grades *= torch.rand(N_USERS, N_ITEMS, generator=generator) < torch.rand(N_USERS, 1, generator=generator)
    grades[torch.arange(N_USERS), torch.randint(N_ITEMS, (N_USERS,), generator=generator)] = 2
    scores = torch.rand(N_USERS, N_ITEMS, generator=generator).argsort(dim=1).float() + 1  # torchmetrics' recall leaves out scores of 0
    return grades, scores


GRADES, SCORES = draw()
N_POSITIVES = (GRADES > 0).sum(dim=1)


def by_mmrec(grades: Tensor, scores: Tensor) -> Values:
    ranked = grades.gather(1, scores.argsort(dim=1, descending=True))
    n_positives, values = (grades > 0).sum(dim=1), {}
    for k in KS:
        values |= {(name, k): metric(ranked > 0, n_positives, k) for name, metric in METRICS.items()}
        for gain in (linear, exponential):
            values[f"graded_ndcg {gain.__name__}", k] = graded_ndcg(ranked.float(), grades.float(), k, gain)
    return values


@pytest.fixture(scope="module")
def ours() -> Values:
    return by_mmrec(GRADES, SCORES) | {("auc", 0): auc(SCORES, GRADES > 0, torch.ones_like(GRADES, dtype=torch.bool))}


@pytest.fixture(scope="module")
def ranx() -> types.ModuleType:
    """`ranx.metrics` in plain Python and alone: its package imports plotting, and compiling takes longer than all cases."""
    patch = pytest.MonkeyPatch()
    package = types.ModuleType("ranx")
    package.__path__ = list(find_spec("ranx").submodule_search_locations)
    patch.setitem(sys.modules, "ranx", package)
    patch.setattr(numba.config, "DISABLE_JIT", True)
    import ranx.metrics

    patch.undo()
    return ranx.metrics


def by_ranx(module: types.ModuleType) -> Values:
    judged = [[(item, grade) for item, grade in enumerate(row) if grade] for row in GRADES.tolist()]
    qrels = [np.array(sorted(row, key=lambda pair: -pair[1]), dtype=float) for row in judged]
    runs = [np.array(sorted(enumerate(row), key=lambda pair: -pair[1]), dtype=float) for row in SCORES.tolist()]
    binary = [np.column_stack([qrel[:, 0], np.ones(len(qrel))]) for qrel in qrels]
    names = {"recall": "recall", "precision": "precision", "hit_rate": "hit_rate", "mrr": "reciprocal_rank", "map": "average_precision"}
    values = {}
    for k in KS:
        values |= {(name, k): getattr(module, theirs)(binary, runs, k) for name, theirs in (names | {"ndcg": "ndcg"}).items()}
        values["graded_ndcg linear", k] = module.ndcg(qrels, runs, k)
        values["graded_ndcg exponential", k] = module.ndcg_burges(qrels, runs, k)
    return {key: torch.from_numpy(value) for key, value in values.items()}


def by_ir_measures() -> Values:
    qrels = [Qrel(f"{u:03}", str(i), grade) for u, row in enumerate(GRADES.tolist()) for i, grade in enumerate(row) if grade]
    run = [ScoredDoc(f"{u:03}", str(i), score) for u, row in enumerate(SCORES.tolist()) for i, score in enumerate(row)]
    binary = nDCG(gains={1: 1, 2: 1, 3: 1})
    names = {"recall": R, "precision": P, "hit_rate": Success, "mrr": RR, "map": AP, "ndcg": binary, "graded_ndcg linear": nDCG}
    names |= {"graded_ndcg exponential": nDCG(gains={1: 1, 2: 3, 3: 7})}
    values = {}
    for name, measure in names.items():  # each on its own: asked for nDCG of several gains at once, ir-measures mixes them up
        found: dict[int, dict[str, float]] = {k: {} for k in KS}
        for row in ir_measures.iter_calc([measure @ k for k in KS], qrels, run):
            found[row.measure["cutoff"]][row.query_id] = row.value
        values |= {(name, k): torch.tensor([found[k][user] for user in sorted(found[k])], dtype=torch.float64) for k in KS}
    return values


def by_torchmetrics() -> Values:
    names = {"recall": tmr.retrieval_recall, "precision": tmr.retrieval_precision, "hit_rate": tmr.retrieval_hit_rate}
    names |= {"mrr": tmr.retrieval_reciprocal_rank, "map": tmr.retrieval_average_precision, "ndcg": tmr.retrieval_normalized_dcg}

    def measure(metric: Callable, grades: Tensor, k: int) -> Tensor:
        return torch.stack([metric(scores, row, top_k=k) for scores, row in zip(SCORES, grades, strict=True)]).double()

    values = {(name, k): measure(metric, GRADES > 0, k) for name, metric in names.items() for k in KS}
    values |= {("graded_ndcg linear", k): measure(tmr.retrieval_normalized_dcg, GRADES, k) for k in KS}
    values |= {("graded_ndcg exponential", k): measure(tmr.retrieval_normalized_dcg, 2**GRADES - 1, k) for k in KS}
    return values | {("auc", 0): measure(tmr.retrieval_auroc, GRADES > 0, N_ITEMS)}


def from_rectools() -> tuple[Values, Values]:
    """RecTools' values, and ours of the same lists."""
    lists = torch.tensor(RECTOOLS["lists"])
    grades, history = (torch.zeros(lists.shape, dtype=torch.int64) for _ in range(2))
    for matrix, name in ((grades, "positives"), (history, "history")):
        for user, items in enumerate(RECTOOLS[name]):
            matrix[user, items] = 1
    scores = -lists.argsort(dim=1).float()
    ours, degree = by_mmrec(grades, scores), history.sum(dim=0)
    popular = degree.argsort(descending=True, stable=True).expand(len(lists), -1)
    for k in KS:
        ours["novelty", k] = novelty(lists[:, :k], degree, len(lists))
        ours["average_popularity", k] = average_popularity(lists[:, :k], degree)
        ours["catalogue_coverage", k] = torch.tensor([catalogue_coverage(count_exposure(lists[:, :k], N_ITEMS))], dtype=torch.float64)
        ours["serendipity", k] = serendipity(lists[:, :k], grades.gather(1, lists[:, :k]) > 0, popular[:, :k])
    ours["auc", 0] = auc(scores, grades > 0, torch.ones_like(grades, dtype=torch.bool))
    keys = {name: (name.split("@")[0], int(name.partition("@")[2] or 0)) for name in RECTOOLS["values"]}
    return {keys[name]: torch.tensor(values, dtype=torch.float64) for name, values in RECTOOLS["values"].items()}, ours


def ideal(n: Tensor) -> Tensor:
    """The DCG of n positives at the first n ranks."""
    return (1 / torch.log2(torch.arange(2, 30, dtype=torch.float64))).cumsum(0)[n - 1]


RULES: dict[str, Callable[[Values, str, int, Tensor], Tensor]] = {
    "=": lambda ours, name, k, n: ours[name, k],
    "a": lambda ours, name, k, n: ours[name, k] * n.clamp(max=k) / n,
    "b": lambda ours, name, k, n: ours[name, k] * n.clamp(max=k) / (ours["recall", k] * n).clamp(min=1),
    "c": lambda ours, name, k, n: ours[name, k] * ideal(n.clamp(max=k)) / ideal(torch.tensor(k)),
    "d": lambda ours, name, k, n: ours[name, k],
    "g": lambda ours, name, k, n: ours[name, k].nan_to_num(0),
}
ELSEWHERE = {"rmse", "mae", "click_auc", "ece_equal_width", "users without positives", "serendipity"}  # in tests of their own


def check(peer: str, theirs: Values, ours: Values, n_positives: Tensor) -> None:
    """Every metric that the table gives the peer is there and as its sign says; a letter makes a difference somewhere."""
    signs = {name: sign for (name, of), sign in table().items() if of == peer and sign != "–" and name not in ELSEWHERE}
    assert {name for name, _ in theirs} == signs.keys()
    for (name, k), values in theirs.items():
        expected = RULES[signs[name]](ours, name, k, n_positives)
        torch.testing.assert_close(values, expected, rtol=0, atol=TOLERANCE.get(peer, 1e-9), msg=lambda m, of=(name, k): f"{of}: {m}")
    for name in (name for name, sign in signs.items() if sign in "abcg"):
        assert not all(torch.allclose(values, ours[key], rtol=0, atol=0.01) for key, values in theirs.items() if key[0] == name), name


def test_ranx(ours: Values, ranx: types.ModuleType) -> None:
    check("ranx", by_ranx(ranx), ours, N_POSITIVES)


def test_ir_measures(ours: Values) -> None:
    check("ir-measures", by_ir_measures(), ours, N_POSITIVES)


def test_torchmetrics(ours: Values) -> None:
    check("torchmetrics", by_torchmetrics(), ours, N_POSITIVES)


def test_rectools() -> None:
    theirs, ours = from_rectools()
    n_positives = torch.tensor([len(items) for items in RECTOOLS["positives"]])
    for k in KS:
        torch.testing.assert_close(theirs.pop(("ndcg_achievable", k)), ours["ndcg", k], rtol=0, atol=1e-9)
        weighed, share = theirs.pop(("serendipity", k)), ours["serendipity", k]
        assert (weighed[ours["recall", k] == 0] == 0).all() and not torch.allclose(weighed, share, atol=0.01)
    check("RecTools", theirs, ours, n_positives)


def test_auc_with_ties_and_the_metrics_of_ratings_and_clicks() -> None:
    generator = torch.Generator().manual_seed(1)
    clicked = torch.rand(500, generator=generator) < 0.3
    few, many = torch.randint(1, 9, (500,), generator=generator) / 10, torch.rand(500, generator=generator)
    for scores in (few, many):
        assert click_auc(scores, clicked) == pytest.approx(tm.auroc(scores, clicked.long(), task="binary").item(), abs=1e-6)
    theirs = tm.calibration_error(many, clicked.long(), task="binary", n_bins=15, norm="l1")
    assert ece_equal_width(many, clicked, n_bins=15) == pytest.approx(theirs.item(), abs=1e-6)
    assert rmse(few, many) == pytest.approx(tm.mean_squared_error(few, many, squared=False).item(), abs=1e-6)
    assert mae(few, many) == pytest.approx(tm.mean_absolute_error(few, many).item(), abs=1e-6)


def test_users_without_positives(ranx: types.ModuleType) -> None:
    """User 1 has none; user 0 finds one of two."""
    run = [np.array([[0, 2.0], [1, 1.0]])] * 2
    assert ranx.recall([np.array([[0, 1.0], [5, 1.0]]), np.array([[0, 0.0]])], run, 2).tolist() == [0.5, 0.0]
    documents = [ScoredDoc(user, item, score) for user in "01" for item, score in (("0", 2.0), ("1", 1.0))]
    judged = [Qrel("0", "0", 1), Qrel("0", "5", 1)]
    assert [row.query_id for row in ir_measures.iter_calc([R @ 2], judged, documents)] == ["0"]
    scores, target, users = torch.tensor([2.0, 1.0, 0.5] * 2), torch.tensor([1, 0, 1, 0, 0, 0]), torch.tensor([0, 0, 0, 1, 1, 1])
    assert RetrievalRecall(top_k=2)(scores, target, indexes=users).item() == 0.25
    assert RetrievalRecall(top_k=2, empty_target_action="skip")(scores, target, indexes=users).item() == 0.5
    assert len(RECTOOLS["values"]["recall@3"]) == len(RECTOOLS["positives"])  # a list without positives was handed in too


def test_the_table_is_the_one_of_the_docs() -> None:
    documented = [line for line in DEFINITIONS.splitlines() if line.startswith("|") or re.match(r"- [a-g]: ", line)]
    assert documented == [line for line in __doc__.splitlines() if line.startswith(("|", "- "))]
    assert set(table().values()) == {"=", "–", *"abcdefg"}
    assert f"RecTools {RECTOOLS['rectools']}" in documented[0]
