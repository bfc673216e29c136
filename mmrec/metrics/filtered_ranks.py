"""Filtered ranks of link prediction: the rank of a held-out triple among all corrupted ones that are not known (Bordes et al. 2013)."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int64
from torch import Tensor

Scores = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Maps n heads, relations and tails to n scores, higher for more plausible triples."""


@torch.no_grad()
def filtered_ranks(score: Scores, triples: Int64[Tensor, "n 3"], known: Int64[Tensor, "m 3"], n_entities: int) -> Float[Tensor, " two_n"]:
    """The rank, from 1, of each triple's tail, then of each triple's head, among all entities.

    Entities that form another known triple are left out. If k other entities have the score of the true one, its rank is the mean of the k
    + 1 positions, so that constant scores gain nothing. `known` contains all true triples, including held-out ones.

        >>> triples = torch.tensor([[0, 0, 1]])
        >>> filtered_ranks(lambda head, relation, tail: tail.float() - head.float(), triples, triples, n_entities=3)
        tensor([2., 1.])
    """
    entities = torch.arange(n_entities)
    found = []
    for place in (2, 0):
        others = _by_rest(known, place)
        for triple in triples:
            candidates = triple.expand(n_entities, 3).clone()
            candidates[:, place] = entities
            scores = score(*candidates.unbind(1))
            truth = scores[triple[place]].clone()
            rivals = torch.ones(n_entities, dtype=torch.bool)
            rivals[others[_rest(triple.tolist(), place)]] = False
            rivals[triple[place]] = False
            found.append(1 + (scores > truth)[rivals].sum() + 0.5 * (scores == truth)[rivals].sum())
    return torch.stack(found).float() if found else torch.empty(0)


def _by_rest(known: Int64[Tensor, "m 3"], place: int) -> dict[tuple[int, ...], list[int]]:
    """Group the entities at `place` by the rest of the triple."""
    found: dict[tuple[int, ...], list[int]] = {}
    for triple in known.tolist():
        found.setdefault(_rest(triple, place), []).append(triple[place])
    return found


def _rest(triple: list[int], place: int) -> tuple[int, ...]:
    return (*triple[:place], *triple[place + 1 :])
