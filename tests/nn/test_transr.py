"""mmrec.nn.transr by hand: one relation that swaps two numbers, one that doubles the first."""

import torch

from mmrec.nn.transr import SortedTriples, TransR

ENTITIES = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 1.0]])


def make_transr() -> TransR:
    transr = TransR(n_relations=3, embedding_dim=2, relation_dim=2)
    with torch.no_grad():
        transr.matrices.copy_(torch.tensor([[[0.0, 1.0], [1.0, 0.0]], [[7.0, 7.0], [7.0, 7.0]], [[2.0, 0.0], [0.0, 1.0]]]))
        transr.vectors.copy_(torch.tensor([[1.0, -1.0], [7.0, 7.0], [0.0, 0.5]]))
    return transr


def test_triples_are_sorted_by_relation_and_counted() -> None:
    triples = SortedTriples(torch.tensor([0, 1, 2]), torch.tensor([2, 0, 2]), torch.tensor([1, 2, 0]), n_relations=4)
    assert triples.block_sizes == [1, 0, 2, 0] and not triples.state_dict()
    assert [triples.head.tolist(), triples.relation.tolist(), triples.tail.tolist()] == [[1, 0, 2], [0, 2, 2], [2, 1, 0]]


def test_energy_by_hand() -> None:
    """(0, first, 1 and 2), (2, last, 0 and 1); no triple of the relation between."""
    energy = make_transr().energy(ENTITIES[[0, 2]], ENTITIES[torch.tensor([[1, 2], [0, 1]])], [1, 0, 1])
    # W e_0 + e_r = (1, 0) against (2, 0) and (1, 3); then (6, 1.5) against (2, 0) and (0, 2)
    assert energy.tolist() == [[1.0, 9.0], [16 + 2.25, 36 + 0.25]]


def test_attention_by_hand() -> None:
    triples = SortedTriples(torch.tensor([2, 0]), torch.tensor([2, 0]), torch.tensor([1, 2]), n_relations=3)
    expected = [torch.tensor([1.0, 3.0]) @ torch.tensor([1.0, 0.0]).tanh(), torch.tensor([0.0, 2.0]) @ torch.tensor([6.0, 1.5]).tanh()]
    torch.testing.assert_close(make_transr().attention(ENTITIES, triples), torch.stack(expected))
