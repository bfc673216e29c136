"""Plain matrix factorisation: one free vector a user and an item."""

from jaxtyping import Float
from torch import Tensor

from mmrec.nn.backbones.backbone import Backbone, embedding_table, set_table
from mmrec.types import DatasetSpec


class MatrixFactorization(Backbone):
    """Free embeddings, `score = u·i` (Koren, Bell & Volinsky 2009, eq. 1 without biases)."""

    def __init__(self, spec: DatasetSpec, embedding_dim: int, init_scale: float) -> None:
        super().__init__()
        self.init_scale = init_scale
        self.users = embedding_table(spec.n_users, embedding_dim, init_scale)
        self.items = embedding_table(spec.n_items, embedding_dim, init_scale)

    def forward(self) -> tuple[Float[Tensor, "n_users dim"], Float[Tensor, "n_items dim"]]:
        return self.users.weight, self.items.weight

    def start_from(self, users: Float[Tensor, "n_users rank"], items: Float[Tensor, "n_items rank"]) -> None:
        set_table(self.users, 0, users, self.init_scale)
        set_table(self.items, 0, items, self.init_scale)
