"""TransR: entities are projected into the space of a relation, where head plus relation is close to the tail for true triples."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

_CHUNK = 65_536


class SortedTriples(nn.Module):
    """Triples sorted by relation, as buffers outside of checkpoints, so that relations are processed in blocks."""

    head: Int64[Tensor, " n"]
    relation: Int64[Tensor, " n"]
    tail: Int64[Tensor, " n"]

    def __init__(self, head: Int64[Tensor, " n"], relation: Int64[Tensor, " n"], tail: Int64[Tensor, " n"], n_relations: int) -> None:
        super().__init__()
        order = relation.argsort(stable=True)
        for name, values in {"head": head, "relation": relation, "tail": tail}.items():
            self.register_buffer(name, values[order], persistent=False)
        self.block_sizes: list[int] = torch.bincount(relation, minlength=n_relations).tolist()


class TransR(nn.Module):
    """A matrix W_r and a vector e_r per relation (Lin et al. 2015, eq. 7-8); rows are in the order of `SortedTriples`."""

    def __init__(self, n_relations: int, embedding_dim: int, relation_dim: int) -> None:
        super().__init__()
        self.matrices = nn.Parameter(torch.empty(n_relations, embedding_dim, relation_dim))
        self.vectors = nn.Parameter(nn.init.xavier_uniform_(torch.empty(n_relations, relation_dim)))
        for matrix in self.matrices:
            nn.init.xavier_uniform_(matrix.data)

    def energy(self, head: Float[Tensor, "n dim"], tails: Float[Tensor, "n k dim"], block_sizes: list[int]) -> Float[Tensor, "n k"]:
        """`‖W_r e_h + e_r − W_r e_t‖²` of every head and its k tails; low for true triples. `block_sizes` counts rows by relation."""
        moved = (head[:, None] - tails).split(block_sizes)
        return torch.cat([(block @ self.matrices[r] + self.vectors[r]).square().sum(dim=2) for r, block in enumerate(moved) if len(block)])

    @torch.no_grad()
    def attention(self, entities: Float[Tensor, "n_entities dim"], triples: SortedTriples) -> Float[Tensor, " n"]:
        """`(W_r e_t)ᵀ tanh(W_r e_h + e_r)` of every triple (Wang et al. 2019, eq. 4), without gradients; 65,536 triples at a time."""
        scores = [torch.empty(0, device=entities.device)]
        blocks = zip(triples.head.split(triples.block_sizes), triples.tail.split(triples.block_sizes), strict=True)
        for r, (heads, tails) in enumerate(blocks):
            for head, tail in zip(heads.split(_CHUNK), tails.split(_CHUNK), strict=True):
                seen_head = F.embedding(head, entities) @ self.matrices[r] + self.vectors[r]
                scores.append((F.embedding(tail, entities) @ self.matrices[r] * seen_head.tanh()).sum(dim=1))
        return torch.cat(scores)
