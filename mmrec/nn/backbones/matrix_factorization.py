"""Plain matrix factorisation: one free vector a user and an item."""

from jaxtyping import Float
from torch import Tensor

from mmrec.nn.backbones.backbone import Backbone, embedding_table
from mmrec.types import DatasetSpec


class MatrixFactorization(Backbone):
    """Free embeddings, `score = u·i` (Koren, Bell & Volinsky 2009, eq. 1 without biases)."""

    def __init__(self, spec: DatasetSpec, embedding_dim: int, init_scale: float) -> None:
        super().__init__()
        self.users = embedding_table(spec.n_users, embedding_dim, init_scale)
        self.items = embedding_table(spec.n_items, embedding_dim, init_scale)

    def forward(self) -> tuple[Float[Tensor, "n_users dim"], Float[Tensor, "n_items dim"]]:
        return self.users.weight, self.items.weight
