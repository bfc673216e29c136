"""mmrec.metrics.filtered_ranks: equal to counting by hand on small graphs, ties and both directions included."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mmrec.metrics.filtered_ranks import filtered_ranks

N, R = 6, 2


def ranks_by_hand(table: Tensor, held: list[tuple], known: set[tuple]) -> list[float]:
    """Every candidate looked at by itself."""
    found = []
    for place in (2, 0):
        for triple in held:
            above = equal = 0
            for entity in range(N):
                candidate = tuple(entity if i == place else value for i, value in enumerate(triple))
                if candidate in known or candidate == triple:
                    continue
                above += int(table[candidate] > table[triple])
                equal += int(table[candidate] == table[triple])
            found.append(sum(range(above + 1, above + equal + 2)) / (equal + 1))
    return found


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 4))
def test_equals_counting_by_hand(seed: int, n_levels: int):
    """Few levels of scores give many ties, one gives nothing else."""
    generator = torch.Generator().manual_seed(seed)
    table = torch.randint(n_levels, (N, R, N), generator=generator).float()
    known = torch.stack([torch.randint(size, (15,), generator=generator) for size in (N, R, N)], dim=1).unique(dim=0)
    held = known[torch.randperm(len(known), generator=generator)[:5]]
    ranks = filtered_ranks(lambda h, r, t: table[h, r, t], held, known, N)
    assert ranks.tolist() == ranks_by_hand(table, [tuple(one) for one in held.tolist()], {tuple(one) for one in known.tolist()})


def test_known_triples_do_not_stand_in_the_way_and_a_constant_gains_nothing():
    table = torch.zeros(N, R, N)
    table[0, 0, 1], table[0, 0, 2] = 2.0, 1.0
    held, known = torch.tensor([[0, 0, 2]]), torch.tensor([[0, 0, 1], [0, 0, 2]])
    assert filtered_ranks(lambda h, r, t: table[h, r, t], held, known, N).tolist() == [1.0, 1.0]
    assert filtered_ranks(lambda h, r, t: torch.zeros(len(h)), held, held, N).tolist() == [pytest.approx((N + 1) / 2)] * 2
