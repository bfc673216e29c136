"""What evidence is worth to a model: nothing where it is ignored, much where it decides, told apart for warm and cold items."""

from functools import partial

import polars as pl
import pytest
import torch

from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.evaluation.measure.counterfactual import Counterfactual, counterfactuals, describe_worth, measure_counterfactuals
from mmrec.metrics.full_ranking import rank_users
from mmrec.models.multimodal.fusion import FusionRecommender
from mmrec.models.recommender import FrozenScorer
from mmrec.nn.backbones.lightgcn import LightGCN
from mmrec.nn.encoders.knowledge import CompGCNEncoder
from mmrec.nn.fusion.mean import MeanFusion
from mmrec.types import DatasetSpec, Features, Graph, Interactions

N_USERS, N_ITEMS, DIM = 40, 30, 8
WARM = torch.arange(N_ITEMS) < 20


def make_spec() -> DatasetSpec:
    generator = torch.Generator().manual_seed(0)
    train = Interactions(torch.arange(200) % N_USERS, torch.randint(20, (200,), generator=generator))
    features = {"text": Features(torch.randn(N_ITEMS, 5, generator=generator), torch.ones(N_ITEMS, dtype=torch.bool), "bert")}
    graph = Graph(torch.stack([torch.arange(N_ITEMS), N_ITEMS + torch.arange(N_ITEMS) % 4]), torch.zeros(N_ITEMS, dtype=torch.int64),
                  N_ITEMS + 4, 1, torch.arange(N_ITEMS))  # fmt: skip
    return DatasetSpec(N_USERS, N_ITEMS, train, features, graph)


def build(spec: DatasetSpec) -> FusionRecommender:
    torch.manual_seed(0)
    kg_encoder = partial(CompGCNEncoder, n_layers=1, dropout=0.0)
    backbone = partial(LightGCN, n_layers=1, init_scale=0.1)
    return FusionRecommender(spec, DIM, MeanFusion, backbone, kg_encoder, None, None, {"modality": 0.0, "feature": 0.0, "history": 0.0})


def held_out() -> EvaluationSet:
    seen = InteractionMatrix.from_pairs(make_spec().train.user_idx, make_spec().train.item_idx, N_USERS, N_ITEMS)
    free = [
        (u, i) for u in range(N_USERS) for i in range(N_ITEMS) if i not in seen.rows(torch.tensor([u]))[1].tolist() and (u + i) % 7 == 0
    ]
    users, items = torch.tensor(free).unbind(1)
    return EvaluationSet.build(seen, InteractionMatrix.from_pairs(users, items, N_USERS, N_ITEMS))


def vectors_differ(one: FrozenScorer, other: FrozenScorer) -> bool:
    return not torch.allclose(one.items, other.items, atol=1e-5)


def test_every_modality_meets_every_change_with_the_trained_weights() -> None:
    model = build(make_spec())
    with torch.no_grad():  # weights that only training could give
        for parameter in model.parameters():
            parameter.normal_(generator=torch.Generator().manual_seed(1))
    found = {(c.modality, c.change): c.scorer for c in counterfactuals(model, make_spec(), build, seed=0)}
    expected = {(name, change) for name in ("text", "kg") for change in ("dropped", "shuffled", "noise")}
    assert set(found) == expected | {("collaborative", "dropped"), ("all content", "dropped"), ("kg", "rewired")}
    assert all(vectors_differ(scorer, model.freeze()) for scorer in found.values())
    shuffled = model.freeze().users - found["text", "shuffled"].users
    assert shuffled.abs().max() < 100 and shuffled.isfinite().all()


def test_evidence_that_the_model_ignores_costs_nothing() -> None:
    model = build(make_spec())
    with torch.no_grad():
        for parameter in model.projections["text"].parameters():
            parameter.zero_()
    data, intact = held_out(), model.freeze()
    ranking = rank_users(intact, data.user_idx, data.seen, N_ITEMS)
    table = measure_counterfactuals(ranking, counterfactuals(model, make_spec(), build, 0), data, data.seen, 5, seed=0)
    ignored = table.filter((pl.col("modality") == "text") & (pl.col("change") != "dropped"))
    assert len(ignored) == 2 * 3 * 2 and ignored["difference"].abs().max() == 0
    assert "does not change significantly" in describe_worth(table, "ndcg@5")[1] or "kg" in describe_worth(table, "ndcg@5")[1]


def test_worth_is_told_apart_for_warm_and_cold_items() -> None:
    """A perfect scorer that, changed, no longer knows the cold items loses all of them and no warm one."""
    data = held_out()
    truth = torch.zeros(N_USERS, N_ITEMS)
    users = torch.repeat_interleave(torch.arange(N_USERS), data.positives.degree)
    truth[users, data.positives.indices] = 1.0
    perfect, blind = (FrozenScorer(scores, torch.eye(N_ITEMS), torch.zeros(N_ITEMS, 1)) for scores in (truth, truth * WARM - 2.0 * ~WARM))
    ranking = rank_users(perfect, data.user_idx, data.seen, N_ITEMS)
    changed = iter([Counterfactual("text", "dropped", blind)])
    table = measure_counterfactuals(ranking, changed, data, data.seen, 5, seed=0)
    rows = {row["items"]: row for row in table.filter(pl.col("metric") == "recall@5").iter_rows(named=True)}
    assert rows["cold"]["intact"] == rows["warm"]["changed"] == rows["warm"]["intact"]
    assert rows["warm"]["difference"] == 0 and rows["cold"]["changed"] == 0
    assert rows["cold"]["difference"] == pytest.approx(-rows["cold"]["intact"])
    assert rows["cold"]["high"] < 0
    (sentence,) = describe_worth(table, "recall@5")
    assert sentence.startswith("without text, recall@5 falls by ")
    assert "on warm items does not change significantly" in sentence and "100% of it" in sentence
