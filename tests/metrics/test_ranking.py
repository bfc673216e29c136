"""mmrec.metrics.ranking: hand-worked values, torchmetrics where it means the same, bounds and order for any lists, and the doctests."""

import doctest
import importlib
import inspect
import math
import pkgutil

import pytest
import torch
import torchmetrics.functional.retrieval as reference
from hypothesis import given, settings
from hypothesis import strategies as st

import mmrec.metrics
from mmrec.metrics.ranking import METRICS, all_metrics

D2, D3 = 1 / math.log2(3), 1 / math.log2(4)  # the gain of ranks 2 and 3; that of rank 1 is 1

# Three users: ranks 1 and 3 of four positives; rank 2 of one; nothing found of two.
RELEVANCE = torch.tensor([[True, False, True], [False, True, False], [False, False, False]])
N_POSITIVES = torch.tensor([4, 1, 2])
BY_HAND = {
    ("recall", 1): [1 / 4, 0, 0],
    ("recall", 2): [1 / 4, 1, 0],
    ("recall", 3): [1 / 2, 1, 0],
    ("recall", 10): [1 / 2, 1, 0],
    ("precision", 1): [1, 0, 0],
    ("precision", 2): [1 / 2, 1 / 2, 0],
    ("precision", 3): [2 / 3, 1 / 3, 0],
    ("precision", 10): [2 / 10, 1 / 10, 0],
    ("hit_rate", 1): [1, 0, 0],
    ("hit_rate", 2): [1, 1, 0],
    ("hit_rate", 3): [1, 1, 0],
    ("hit_rate", 10): [1, 1, 0],
    ("mrr", 1): [1, 0, 0],
    ("mrr", 2): [1, 1 / 2, 0],
    ("mrr", 3): [1, 1 / 2, 0],
    ("mrr", 10): [1, 1 / 2, 0],
    ("map", 1): [1, 0, 0],
    ("map", 2): [1 / 2, 1 / 2, 0],
    ("map", 3): [(1 + 2 / 3) / 3, 1 / 2, 0],
    ("map", 10): [(1 + 2 / 3) / 4, 1 / 2, 0],
    ("ndcg", 1): [1, 0, 0],
    ("ndcg", 2): [1 / (1 + D2), D2, 0],
    ("ndcg", 3): [(1 + D3) / (1 + D2 + D3), D2, 0],
    ("ndcg", 10): [(1 + D3) / (1 + D2 + D3 + 1 / math.log2(5)), D2, 0],
}
LISTS = st.lists(st.booleans(), min_size=1, max_size=8)


@pytest.mark.parametrize(("name", "k"), BY_HAND)
def test_by_hand(name: str, k: int) -> None:
    assert METRICS[name](RELEVANCE, N_POSITIVES, k).tolist() == pytest.approx(BY_HAND[name, k])


def test_every_metric_at_every_k_by_its_name() -> None:
    values = all_metrics(RELEVANCE, N_POSITIVES, [2, 10])
    assert set(values) == {f"{name}@{k}" for name in METRICS for k in (2, 10)}
    for column, value in values.items():
        name, k = column.split("@")
        assert value.tolist() == pytest.approx(BY_HAND[name, int(k)])


def test_equal_to_torchmetrics() -> None:
    """torchmetrics divides average precision at k by the hits found, not by those possible, so `map` agrees over the whole list only."""
    generator = torch.Generator().manual_seed(0)
    same = {"recall": "retrieval_recall", "hit_rate": "retrieval_hit_rate", "mrr": "retrieval_reciprocal_rank"}
    same |= {"precision": "retrieval_precision", "ndcg": "retrieval_normalized_dcg", "map": "retrieval_average_precision"}
    for _ in range(60):
        n_items = int(torch.randint(2, 12, (1,), generator=generator))
        scores = torch.randperm(n_items, generator=generator).float() + 1  # torchmetrics' recall leaves out scores of 0
        positive = torch.rand(n_items, generator=generator) < 0.4
        positive[0] = True
        relevance = positive[scores.argsort(descending=True)][None]
        for k in {1, 2, 5, n_items}:
            for name, theirs in same.items():
                if k <= n_items and (name != "map" or k == n_items):
                    ours = METRICS[name](relevance, positive.sum()[None], k).item()
                    assert ours == pytest.approx(float(getattr(reference, theirs)(scores, positive, top_k=k)), abs=1e-6), (name, k)


@settings(max_examples=60, deadline=None)
@given(LISTS, st.integers(0, 3), st.integers(1, 10), st.data())
def test_between_0_and_1_and_never_better_for_a_positive_that_falls(hits: list[bool], n_missed: int, k: int, data: st.DataObject) -> None:
    n_positives = torch.tensor([max(1, sum(hits) + n_missed)])
    rank = data.draw(st.integers(0, len(hits) - 1))
    fallen = hits[:rank] + hits[rank + 1 :] + [hits[rank]]
    worse = fallen if hits[rank] else hits
    for name, metric in METRICS.items():
        before, after = (metric(torch.tensor([row]), n_positives, k).item() for row in (hits, worse))
        assert 0 <= after <= before + 1e-12, name
        assert before <= 1 + 1e-12, name


@pytest.mark.parametrize("n_positives", [1, 3, 7])
@pytest.mark.parametrize("k", [1, 3, 5])
def test_the_best_list_is_worth_1(n_positives: int, k: int) -> None:
    """Recall and precision excepted: at most k / positives, and at most positives / k (of five ranks here)."""
    best = (torch.arange(5) < n_positives)[None]
    values = {name: metric(best, torch.tensor([n_positives]), k).item() for name, metric in METRICS.items()}
    assert values.pop("recall") == pytest.approx(min(k, n_positives) / n_positives)
    assert values.pop("precision") == pytest.approx(min(k, n_positives, 5) / k)
    assert values == pytest.approx(dict.fromkeys(values, 1.0))


@pytest.mark.parametrize("module", [module.name for module in pkgutil.iter_modules(mmrec.metrics.__path__)])
def test_doctests(module: str) -> None:
    """Object by object: doctest's own search passes over functions that conftest's type checks wrap."""
    namespace = vars(importlib.import_module(f"mmrec.metrics.{module}"))
    own = {name: value for name, value in namespace.items() if getattr(value, "__module__", None) == namespace["__name__"]}
    runner, finder = doctest.DocTestRunner(), doctest.DocTestFinder()
    for name, value in own.items():
        for example in finder.find(value, name, module=False, globs=namespace):
            runner.run(example)
    assert runner.failures == 0
    public = [name for name, value in own.items() if inspect.isfunction(value) and not name.startswith("_")]
    assert module == "full_ranking" or all(">>>" in own[name].__doc__ for name in public if name != "all_metrics")
