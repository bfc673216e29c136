"""mmrec.tasks.search: metrics, what is ranked, and what validation chooses."""

from dataclasses import replace

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


def test_who_asks_counts_as_far_as_validation_says() -> None:
    """Person 0 had the lamps and person 1 the chairs, and whoever asks for red or blue means these."""
    spec = search_spec()
    assert spec.queries is not None
    behavior = spec.queries.behavior
    own = behavior.take((behavior.item_idx % 2 == behavior.user_idx).nonzero().flatten())
    person = torch.tensor([QUERIES.index(query) % 2 for query in QUERIES])
    torch.manual_seed(0)
    model = SearchFusion(replace(spec, queries=replace(spec.queries, behavior=own, person=person)), embedding_dim=8, kg_encoder=None)
    task = SearchTask(model, hybrid=False)
    wanted = [
        (idx, item) for idx, query in enumerate(QUERIES) if query in ("red", "blue") for item in clicked(query) if item % 2 == person[idx]
    ]
    rows = SplitPart(Interactions(*(torch.tensor(column) for column in zip(*wanted, strict=True))), len(QUERIES), N_ITEMS)
    before = task.measure(model.freeze(), task.evaluation_set((), rows)).per_user["ndcg@10"].mean()
    found = task.validate(task.evaluation_set((), rows))
    assert float(model.person_weight) == 0 and found.adopt is not None
    found.adopt()
    assert float(model.person_weight) > 0
    after = task.measure(model.freeze(), task.evaluation_set((), rows)).per_user["ndcg@10"].mean()
    assert after == pytest.approx(found.means["ndcg@10"], abs=1e-5) and after > before
    frozen, texts, vectors = model.freeze(), ["red"], torch.zeros(1, 16)
    nobody = frozen.score_queries(texts, vectors)
    assert torch.equal(frozen.score_queries(texts, vectors, torch.tensor([-1])), nobody)
    assert not torch.equal(frozen.score_queries(texts, vectors, torch.tensor([0])), nobody)


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
