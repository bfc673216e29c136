"""mmrec.tasks.search: metrics, what is ranked, and what validation chooses."""

import pytest
import torch

from mmrec.data.batches.batch_factory import SplitPart
from mmrec.errors import ConfigError
from mmrec.models.search.bm25 import BM25
from mmrec.models.search.search_fusion import SearchFusion
from mmrec.tasks.search import SearchTask
from mmrec.types import Interactions
from tests.models.search.shop import N_ITEMS, QUERIES, clicked, search_spec


def part(*queries: str) -> SplitPart:
    rows = [(QUERIES.index(query), item) for query in queries for item in clicked(query)]
    return SplitPart(Interactions(*(torch.tensor(column) for column in zip(*rows, strict=True))), len(QUERIES), N_ITEMS)


def test_the_first_metric_is_ndcg_at_the_smallest_cutoff() -> None:
    metrics = SearchTask.metrics({"ks": [20, 10]})
    assert metrics[0].name == "ndcg@10" and all(metric.higher_is_better for metric in metrics)
    assert {"recall@10", "recall@20", "mrr@10"} <= {metric.name for metric in metrics}
    with pytest.raises(ConfigError, match=r"task\.ks: expected at least one cutoff"):
        SearchTask.metrics({"ks": []})


def test_items_clicked_before_stay_in_the_rankings() -> None:
    task = SearchTask(BM25().fit(search_spec()))
    rows = task.evaluation_set((part("lamp"),), part("lamp"))
    measured = task.measure(task.model.freeze(), rows)
    assert measured.per_user["recall@20"].item() > 0.9


def test_bm25_outweighs_a_model_that_knows_nothing() -> None:
    torch.manual_seed(0)
    model = SearchFusion(search_spec(), embedding_dim=8)
    model.gains.data.zero_()
    task = SearchTask(model)
    rows = task.evaluation_set((part("red"),), part("lamp", "chair"))
    found = task.validate(rows)
    assert float(model.mixture[0]) == 0  # until it is adopted
    assert found.adopt is not None
    found.adopt()
    assert float(model.mixture[0]) > 0
    again = task.measure(model.freeze(), rows).per_user["ndcg@10"].mean()
    assert again == pytest.approx(found.means["ndcg@10"], abs=1e-5)


def test_without_a_hybrid_bm25_is_left_out() -> None:
    model = SearchFusion(search_spec(), embedding_dim=8)
    model.gains.data.zero_()
    task = SearchTask(model, hybrid=False)
    found = task.validate(task.evaluation_set((part("red"),), part("lamp", "chair")))
    assert found.adopt is not None
    found.adopt()
    assert float(model.mixture[0]) == 0


def test_a_text_that_is_in_no_query_leaves_bm25_out() -> None:
    torch.manual_seed(0)
    task = SearchTask(SearchFusion(search_spec(with_texts=False), embedding_dim=8))
    found = task.validate(task.evaluation_set((part("red"),), part("lamp")))
    assert found.adopt is not None
    found.adopt()
    assert float(task.model.mixture[0]) == 0
