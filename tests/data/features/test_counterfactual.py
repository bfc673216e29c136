"""Changes to evidence: each breaks what it says and keeps the rest."""

from collections import Counter
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from mmrec.data.features.counterfactual import FEATURE_CHANGES, GRAPH_CHANGES, change_features, change_graph, change_spec
from mmrec.types import KG, TEXT, DatasetSpec, Features, Graph, Interactions, Literals

N, DIM = 400, 3
PRESENT = torch.arange(N) % 5 != 0


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def make_features() -> Features:
    values = torch.randn(N, DIM, generator=seeded()) * torch.tensor([1.0, 5.0, 0.0]) + torch.tensor([0.0, 7.0, 2.0])
    return Features(torch.where(PRESENT[:, None], values, 0.0), PRESENT, "encoder")


def make_graph() -> Graph:
    edges = torch.randint(0, 60, (2, 500), generator=seeded(1))
    item_entity = torch.tensor([3, -1, 10, 7, -1, 59])
    return Graph(edges, torch.arange(500) % 3, 60, 3, item_entity)


def rows(values: Tensor) -> Counter:
    return Counter(map(tuple, values.tolist()))


def test_shuffled_features_are_the_same_ones_on_other_items() -> None:
    before, after = make_features(), change_features(make_features(), "shuffled", seeded())
    assert rows(after.values) == rows(before.values)
    assert torch.equal(after.present, PRESENT) and not after.values[~PRESENT].any()
    assert (after.values == before.values).all(dim=1)[PRESENT].float().mean() < 0.05
    assert after.encoder == "encoder, shuffled"


def test_noise_has_the_mean_and_variance_of_every_column_and_nothing_else() -> None:
    before, after = make_features().values[PRESENT], change_features(make_features(), "noise", seeded()).values
    assert not after[~PRESENT].any()
    after = after[PRESENT]
    torch.testing.assert_close(after.mean(0), before.mean(0), atol=0.7, rtol=0)
    torch.testing.assert_close(after.std(0), before.std(0), atol=0.5, rtol=0)
    assert torch.corrcoef(torch.stack([after[:, 1], before[:, 1]]))[0, 1].abs() < 0.2
    assert torch.equal(after[:, 2], before[:, 2])  # a constant stays one


def test_a_shuffled_graph_has_the_same_edges_under_other_items() -> None:
    before, after = make_graph(), change_graph(make_graph(), "shuffled", seeded(3))
    assert torch.equal(after.edge_index, before.edge_index)
    assert sorted(after.item_entity.tolist()) == sorted(before.item_entity.tolist())
    assert torch.equal(after.item_entity < 0, before.item_entity < 0)
    assert not torch.equal(after.item_entity, before.item_entity)


def test_a_rewired_graph_keeps_the_degrees_of_every_relation() -> None:
    before, after = make_graph(), change_graph(make_graph(), "rewired", seeded())
    assert torch.equal(after.item_entity, before.item_entity) and torch.equal(after.edge_index[0], before.edge_index[0])
    for relation in range(3):
        edges = [graph.edge_index[1][graph.edge_type == relation] for graph in (before, after)]
        assert torch.equal(edges[0].bincount(minlength=60), edges[1].bincount(minlength=60))
    assert (after.edge_index[1] == before.edge_index[1]).float().mean() < 0.1


def test_a_graph_of_noise_has_as_many_edges_and_no_trace_of_them() -> None:
    before, after = make_graph(), change_graph(make_graph(), "noise", seeded(9))
    assert after.edge_index.shape == before.edge_index.shape and torch.equal(after.edge_type, before.edge_type)
    assert after.edge_index.min() >= 0 and after.edge_index.max() < 60
    assert (after.edge_index == before.edge_index).all(dim=0).float().mean() < 0.02


def test_literals_change_with_the_graph_each_group_among_those_that_have_it() -> None:
    """A year that all have, and a text of two numbers that half have; shuffled items take the literals of their entities along."""
    present = torch.stack([torch.ones(60), torch.arange(60) % 2], dim=1).bool()
    group = torch.tensor([0, 1, 1])
    values = torch.where(present[:, group], torch.randn(60, 3, generator=seeded()), 0.0)
    graph = replace(make_graph(), literals=Literals(torch.arange(60), values, present, group))
    rewired, noise, shuffled = (change_graph(graph, change, seeded(3)).literals for change in ("rewired", "noise", "shuffled"))
    assert shuffled is graph.literals and rewired is not None and noise is not None
    for changed in (rewired, noise):
        assert torch.equal(changed.present, present) and not changed.values[~present[:, group]].any()
        assert (changed.values == values)[present[:, group]].float().mean() < 0.1
    assert rows(rewired.values[:, 1:]) == rows(values[:, 1:]) and rows(rewired.values[:, :1]) == rows(values[:, :1])


@pytest.mark.parametrize(("modality", "change"), [(TEXT, c) for c in FEATURE_CHANGES] + [(KG, c) for c in GRAPH_CHANGES])
def test_a_change_is_a_function_of_its_seed_and_leaves_the_rest_alone(modality: str, change: str) -> None:
    nothing = Interactions(torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64))
    spec = DatasetSpec(1, N, nothing, {TEXT: make_features(), "image": make_features()}, make_graph())
    first, again, other = (change_spec(spec, modality, change, seed) for seed in (1, 1, 2))

    def parts(changed: DatasetSpec) -> list[Tensor]:
        return [changed.features[TEXT].values] if modality == TEXT else [changed.graph.edge_index, changed.graph.item_entity]

    assert all(map(torch.equal, parts(first), parts(again)))
    assert not all(map(torch.equal, parts(first), parts(other)))
    assert first.features["image"] is spec.features["image"]
    assert (first.graph is spec.graph) == (modality == TEXT) and (first.features[TEXT] is spec.features[TEXT]) == (modality == KG)


def test_another_change_is_refused() -> None:
    with pytest.raises(ValueError, match="expected one of shuffled, noise, found rewired"):
        change_features(make_features(), "rewired", seeded())
    with pytest.raises(ValueError, match="expected one of shuffled, noise, rewired, found dropped"):
        change_graph(make_graph(), "dropped", seeded())
