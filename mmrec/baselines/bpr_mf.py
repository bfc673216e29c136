"""BPR-MF: matrix factorisation that learns to order pairs of items."""

from typing import Self

import torch
from implicit.cpu.bpr import BayesianPersonalizedRanking
from jaxtyping import Float, Int64
from torch import Tensor

from mmrec.baselines.baseline import Baseline, interaction_matrix, sparse_matrix
from mmrec.baselines.factors import Factors
from mmrec.types import DatasetSpec


class BPRMF(Baseline):
    """Maximises `Σ ln σ(s_ui - s_uj) - regularization ‖Θ‖²`, `s_ui = p_u·q_i + b_i`, over sampled triples of a user, one of their items i
    and another j (Rendle et al. 2009, BPR-OPT and LearnBPR), by `implicit`. One thread: same seed, same factors.
    """

    def __init__(self, embedding_dim: int, learning_rate: float, regularization: float, n_iterations: int, seed: int) -> None:
        self.embedding_dim, self.learning_rate, self.regularization = embedding_dim, learning_rate, regularization
        self.n_iterations, self.seed = n_iterations, seed

    def fit(self, spec: DatasetSpec) -> Self:
        train = interaction_matrix(spec)
        sizes = {"factors": self.embedding_dim, "learning_rate": self.learning_rate, "regularization": self.regularization}
        model = BayesianPersonalizedRanking(**sizes, iterations=self.n_iterations, num_threads=1, random_state=self.seed % 2**32)
        model.fit(sparse_matrix(train), show_progress=False)
        self._factors = Factors(torch.from_numpy(model.user_factors), torch.from_numpy(model.item_factors), train.item_degree == 0)
        return self

    def score_users(self, user_idx: Int64[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
        return self._factors.score(user_idx)
