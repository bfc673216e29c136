"""mmrec.rerank.mmr: relevance against the similarity to the nearest item chosen before."""

import torch

from mmrec.rerank.mmr import mmr

RELEVANCE = torch.tensor([[1.0, 0.9, 0.8, 0.1]], dtype=torch.float64)
VECTORS = torch.nn.functional.normalize(torch.tensor([[[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [-1.0, 0.0]]]), dim=2)
ALL = torch.ones(1, 4, dtype=torch.bool)


def test_the_twin_of_the_first_item_comes_later() -> None:
    assert mmr(RELEVANCE, VECTORS, ALL, 3, 0.0).tolist() == [[0, 1, 2]]
    assert mmr(RELEVANCE, VECTORS, ALL, 3, 0.2).tolist() == [[0, 2, 1]]  # 0.64 beside 0.52 of the twin and 0.28 of the opposite
    assert mmr(RELEVANCE, VECTORS, ALL, 3, 0.5).tolist() == [[0, 3, 2]]  # 0.55 of the opposite beside 0.4
    assert mmr(RELEVANCE, VECTORS, ALL, 2, 1.0).tolist() == [[0, 3]]  # the opposite direction


def test_it_is_the_greedy_rule_by_hand() -> None:
    generator = torch.Generator().manual_seed(0)
    relevance = torch.rand(20, 15, generator=generator).double()
    vectors = torch.nn.functional.normalize(torch.randn(20, 15, 4, generator=generator).double(), dim=2)
    found = mmr(relevance, vectors, torch.ones(20, 15, dtype=torch.bool), 6, 0.4)
    for user in range(20):
        similarity, chosen = vectors[user] @ vectors[user].T, list[int]()
        for _ in range(6):
            rest = [i for i in range(15) if i not in chosen]
            chosen.append(max(rest, key=lambda i: 0.6 * relevance[user, i] - 0.4 * (similarity[i, chosen].max() if chosen else 0)))
        assert found[user].tolist() == chosen


def test_places_without_candidates_stay_empty() -> None:
    assert mmr(RELEVANCE, VECTORS, ALL & torch.tensor([True, False, True, False]), 6, 0.5).tolist() == [[0, 2, -1, -1, -1, -1]]
