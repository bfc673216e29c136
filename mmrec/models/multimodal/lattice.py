"""LATTICE: items learn from the items that are like them, by graphs that are learned together with the recommender."""

import copy
from collections.abc import Collection
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from mmrec.data.batches.train_batches import TrainBatch
from mmrec.models.multimodal.behaviour import BehaviourRecommender
from mmrec.models.recommender import EpochRecommender, FrozenScorer, TrainScores
from mmrec.models.scores import BatchVectors
from mmrec.nn.item_graph import LearnedGraph, cosine_graph
from mmrec.nn.propagation import Propagation
from mmrec.types import DatasetSpec


class LATTICE(BehaviourRecommender, EpochRecommender):
    """`x̂_i = x̄_i + h_i / ‖h_i‖` against `x̄_u`, trained by BPR (Zhang et al. 2021, section 3), where x̄ are LightGCN's vectors and

        h   = Σ_m α_m A_m x                   one convolution of the items' free vectors x, α = softmax of a weight a modality
        A_m = λ S̃_m + (1 - λ) L̃_m             λ: `initial_share`
        S̃_m = D^-1/2 S_m D^-1/2               S_m: the cosines of the features with the `n_neighbours` nearest items, itself among them
        L̃_m                                   the same of the features projected, `W_m e + b_m`, which is learned

    The neighbours in L̃_m are chosen again at the start of every epoch and for ranking; the weights of those edges follow the projections at
    every step. An item has no edges in the graph of a modality that it lacks. `regularization` weighs the vectors of a batch.

    A cold item has in h the vectors of the items that it is like.
    """

    ranks_new_items = True

    def __init__(
        self,
        spec: DatasetSpec,
        embedding_dim: int = 64,
        content_dim: int = 64,
        n_layers: int = 2,
        init_scale: float = 0.1,
        n_neighbours: int = 10,
        initial_share: float = 0.7,
        regularization: float = 0.001,
    ) -> None:
        super().__init__(spec, embedding_dim, n_layers, init_scale)
        if not 0 <= initial_share <= 1:
            raise ValueError(f"initial_share: expected a share from 0 to 1, came {initial_share}")
        self.initial_share, self.regularization = initial_share, regularization
        self.projections = nn.ModuleDict({name: nn.Linear(dim, content_dim) for name, dim in self.features.dims.items()})
        self.modality_weights = nn.Parameter(torch.zeros(len(self.features.names)))
        self.initial, self.learned = nn.ModuleDict(), nn.ModuleDict()
        for name, values, present in self.features.items():
            self.initial[name] = Propagation(cosine_graph(values, present, n_neighbours), symmetric=False)
            self.learned[name] = LearnedGraph(present, n_neighbours)
        self._rebuild(self.learned)

    def start_epoch(self, generator: torch.Generator) -> None:
        self._rebuild(self.learned)

    def encode(self, learned: nn.ModuleDict) -> tuple[Float[Tensor, "n_users dim"], Float[Tensor, "n_items dim"]]:
        """The vectors of users and items by LightGCN and by these learned graphs."""
        users, items = self.behaviour()
        own = self.behaviour.embedding.weight[len(users) :]
        similar = torch.zeros_like(own)
        for share, (name, values, _) in zip(self.modality_weights.softmax(dim=0), self.features.items(), strict=True):
            of_learned = learned[name](self.projections[name](values), own)
            similar = similar + share * (self.initial_share * self.initial[name](own) + (1 - self.initial_share) * of_learned)
        return users, items + F.normalize(similar)

    def score_batch(self, batch: TrainBatch, generator: torch.Generator) -> TrainScores:
        vectors = BatchVectors.look_up(*self.encode(self.learned), batch)
        return vectors.regularized(batch.row, self.regularization)

    @torch.no_grad()
    def freeze(self, hidden: Collection[str] = ()) -> FrozenScorer:
        self.eval()
        learned = copy.deepcopy(self.learned)  # training goes on with the neighbours of its epoch
        self._rebuild(learned)
        return self.freeze_vectors(*self.encode(learned))

    @torch.no_grad()
    def _rebuild(self, learned: nn.ModuleDict) -> None:
        for name, values, _ in self.features.items():
            cast(LearnedGraph, learned[name]).rebuild(self.projections[name](values))
