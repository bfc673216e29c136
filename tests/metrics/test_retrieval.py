"""Retrieval recall against hand-worked values."""

import pytest
import torch

from mmrec.metrics.retrieval import retrieval_chance, retrieval_recall


def test_recall_by_hand():
    queries = torch.eye(3)
    targets = torch.tensor([[0.9, 0.5, 0.0], [1.0, 0.4, 0.0], [0.8, 0.1, 1.0]])
    # Query 0 scores the targets 0.9, 1.0, 0.8: its own is second. Query 1: 0.5, 0.4, 0.1: second. Query 2: 0, 0, 1: first.
    assert retrieval_recall(queries, targets, 1) == pytest.approx(1 / 3)
    assert retrieval_recall(queries, targets, 2) == 1


def test_partners_that_are_alike_find_each_other():
    features = torch.nn.functional.normalize(torch.randn(50, 16, generator=torch.Generator().manual_seed(0)), dim=1)
    assert retrieval_recall(features, features + 0.01, 1) == 1


def test_features_that_know_nothing_are_at_chance():
    same = torch.ones(40, 4)
    assert retrieval_recall(same, same, 10) == pytest.approx(retrieval_chance(40, 10)) == 0.25
    one, two = (torch.randn(2_000, 8, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    assert retrieval_recall(one, two, 100) == pytest.approx(0.05, abs=0.02)


def test_k_beyond_the_number_of_pairs_finds_all():
    assert retrieval_recall(torch.eye(2), torch.eye(2).flip(0), 10) == retrieval_chance(2, 10) == 1


def test_no_pairs_is_an_error():
    with pytest.raises(ValueError, match="at least one pair"):
        retrieval_recall(torch.zeros(0, 3), torch.zeros(0, 3), 1)
