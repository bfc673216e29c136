"""What the tests of several files build alike: the pieces of a fused model, and a small worked example of ranking."""

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.nn.backbones.item_table import ItemTable
from mmrec.nn.backbones.lightgcn import LightGCN
from mmrec.nn.fusion.attention import AttentionFusion
from mmrec.nn.fusion.concat import ConcatFusion
from mmrec.nn.fusion.fusion import Fusion
from mmrec.nn.fusion.gated import GatedFusion
from mmrec.nn.fusion.mean import MeanFusion

FUSIONS: dict[str, Callable[..., Fusion]] = {
    "attention": partial(AttentionFusion, n_layers=1, n_heads=2, dropout=0.0),
    "concat": partial(ConcatFusion, hidden_dim=16, dropout=0.0),
    "gated": GatedFusion,
    "mean": MeanFusion,
}
BACKBONES = {
    "lightgcn": partial(LightGCN, n_layers=2, init_scale=0.1),
    "item_table": partial(ItemTable, init_scale=0.1),
}

# Training degrees of the items 0, 1 1, 2 2, 3 3 and of the users 5, 4, 3, 0.
TRAIN_PAIRS = [(0, 1), (0, 3), (0, 4), (0, 5), (0, 6), (1, 2), (1, 3), (1, 5), (1, 6), (2, 4), (2, 5), (2, 6)]
POSITIVES = [(0, 2), (1, 0), (1, 4), (2, 1), (2, 3), (3, 0), (3, 5)]
LISTS = {0: [2, 0], 1: [1, 0, 4], 2: [3, 0, 1, 2], 3: [5, 0, 1, 2, 3, 4, 6]}


class Lists:
    """A scorer that ranks the unseen items as `LISTS` says."""

    def score_users(self, user_idx: Tensor) -> Tensor:
        return torch.tensor([[-float(LISTS[u].index(i)) if i in LISTS[u] else 9.0 for i in range(7)] for u in user_idx.tolist()])


def make_matrix(pairs: list[tuple[int, int]], n_users: int = 4, n_items: int = 7) -> InteractionMatrix:
    return InteractionMatrix.from_pairs(*torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2).unbind(1), n_users, n_items)


def drawn(*shape: int, seed: int) -> Tensor:
    """Normal numbers."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def dense_graph(vectors: Tensor, present: Tensor, k: int) -> Tensor:
    """The k nearest by cosine among items that have vectors, weighted, and normalised by both ends' sums."""
    unit = F.normalize(vectors)
    cosine = (unit @ unit.T).masked_fill(~present, -torch.inf)
    kept = torch.zeros_like(cosine).scatter(1, cosine.topk(k).indices, 1.0) * present[:, None]
    weight = torch.where(kept > 0, cosine.clamp(min=0), 0.0)
    scale = torch.where(present, weight.sum(dim=1).clamp(min=1e-12).rsqrt(), 0.0)
    return scale[:, None] * weight * scale
