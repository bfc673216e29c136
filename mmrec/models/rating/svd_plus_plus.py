"""SVD++: matrix factorisation of ratings with the implicit feedback of which items a user has rated."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mmrec.models.rating.predictor import RatingFactors, rated_values, with_new_users
from mmrec.nn.backbones.backbone import embedding_table
from mmrec.types import DatasetSpec, Interactions

_INIT_SCALE = 0.05


class SVDPlusPlus(RatingFactors):
    """Predicts `μ + b_u + b_i + q_i·(p_u + |N(u)|^-½ Σ_{j ∈ N(u)} y_j)` (Koren 2008, eq. 15), where N(u) are the items that the user has.

    Minimises the squared error plus `regularization` times the squared length of what predicts each rating, by Adam on batches.

    Args:
        embedding_dim: the size of p, q and y.
        regularization: of vectors and biases.
        learning_rate: of Adam.
        n_epochs: the number of passes over the ratings.
        batch_size: ratings per step.
        seed: of initialisation and order.
    """

    def __init__(
        self,
        embedding_dim: int = 32,
        regularization: float = 0.05,
        learning_rate: float = 0.005,
        n_epochs: int = 40,
        batch_size: int = 2048,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if embedding_dim < 1 or regularization < 0:
            raise ValueError(f"embedding_dim: expected at least 1, regularization: at least 0, found {embedding_dim} and {regularization}")
        self.embedding_dim, self.regularization, self.learning_rate = embedding_dim, regularization, learning_rate
        self.n_epochs, self.batch_size, self.seed = n_epochs, batch_size, seed

    def factors(self, rated: Interactions, spec: DatasetSpec) -> tuple[Float[Tensor, "n_users dim"], Float[Tensor, "n_items dim"]]:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            return self._trained(rated, spec)

    def _trained(self, rated: Interactions, spec: DatasetSpec) -> tuple[Tensor, Tensor]:
        network, ratings = _Network(spec, self.embedding_dim), rated_values(rated)
        mean = ratings.mean()
        optimizer = torch.optim.Adam(network.parameters(), lr=self.learning_rate)
        for _ in range(self.n_epochs):
            for rows in torch.randperm(len(ratings)).split(self.batch_size):
                users, items, of_users, of_items = network()
                u, i = rated.user_idx[rows], rated.item_idx[rows]
                error = mean + of_users[u] + of_items[i] + (users[u] * items[i]).sum(dim=1) - ratings[rows]
                size = users[u].square().sum(dim=1) + items[i].square().sum(dim=1) + of_users[u].square() + of_items[i].square()
                optimizer.zero_grad()
                (error.square() + self.regularization * size).mean().backward()
                optimizer.step()
        with torch.no_grad():
            users, items, of_users, of_items = network()
            users = torch.cat([users, (mean + of_users)[:, None], torch.ones(spec.n_users, 1)], dim=1)
            return with_new_users(users, rated), torch.cat([items, torch.ones(spec.n_items, 1), of_items[:, None]], dim=1)


class _Network(nn.Module):
    """The vectors and biases; users are the sum of a free vector and the normalised implicit one."""

    def __init__(self, spec: DatasetSpec, embedding_dim: int) -> None:
        super().__init__()
        self.users, self.items, self.implicit = (
            embedding_table(n, embedding_dim, _INIT_SCALE) for n in (spec.n_users, spec.n_items, spec.n_items)
        )
        self.of_users, self.of_items = nn.Parameter(torch.zeros(spec.n_users)), nn.Parameter(torch.zeros(spec.n_items))
        self.known = nn.Buffer(torch.bincount(spec.train.item_idx, minlength=spec.n_items) > 0)
        self.user_idx, self.item_idx = spec.train.user_idx, spec.train.item_idx
        self.scale = torch.bincount(self.user_idx, minlength=spec.n_users).clamp(min=1).float().rsqrt()

    def forward(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        sums = torch.zeros_like(self.users.weight).index_add(0, self.user_idx, self.implicit.weight.index_select(0, self.item_idx))
        users = self.users.weight + self.scale[:, None] * sums
        return users, self.items.weight * self.known[:, None], self.of_users, self.of_items
