"""LATTICE: item-item graphs that are learned together with the recommender."""

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
    """Scores `x̄_u · x̂_i` with `x̂_i = x̄_i + h_i / ‖h_i‖`, trained by BPR (Zhang et al. 2021, section 3).

    With LightGCN's vectors x̄ and

        h   = Σ_m α_m A_m x                   one convolution of the free item vectors x, α = softmax of a weight per modality
        A_m = λ S̃_m + (1 - λ) L̃_m             λ: `initial_share`
        S̃_m = D^-1/2 S_m D^-1/2               S_m: the cosines of the features with the `n_neighbours` nearest items, including itself
        L̃_m                                   likewise, for the learned projection of the features, `W_m e + b_m`

    The neighbours in L̃_m are selected anew at the start of every epoch and for ranking; the weights of their edges follow the projections
    at every step. Items have no edges in the graphs of modalities that they lack. In h, new items have the vectors of their neighbours.

    Args:
        spec: the training data, with features.
        embedding_dim: the size of vectors.
        content_dim: the size of projected features.
        n_layers: propagation steps of LightGCN.
        init_scale: the standard deviation of the initialisation.
        n_neighbours: the neighbours per item and modality.
        initial_share: λ, the weight of the graphs of unprojected features.
        regularization: the weight of the L2 penalty on the vectors of a batch.
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
            raise ValueError(f"initial_share: expected a share from 0 to 1, found {initial_share}")
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
        """The vectors of users and items, from LightGCN and the given learned graphs."""
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
        learned = copy.deepcopy(self.learned)  # training continues with the neighbours of its epoch
        self._rebuild(learned)
        return self.freeze_vectors(*self.encode(learned))

    @torch.no_grad()
    def _rebuild(self, learned: nn.ModuleDict) -> None:
        for name, values, _ in self.features.items():
            cast(LearnedGraph, learned[name]).rebuild(self.projections[name](values))
