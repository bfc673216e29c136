"""LightGCN: collaborative vectors propagated over the user-item graph."""

from jaxtyping import Float
from torch import Tensor

from mmrec.nn.backbones.backbone import Backbone, embedding_table, set_table
from mmrec.nn.propagation import Propagation, normalized_bipartite
from mmrec.nn.table_rows import ITEMS, USERS
from mmrec.types import DatasetSpec


class LightGCN(Backbone):
    """`E = 1/(L+1) Σ_l (D^-1/2 A D^-1/2)^l E⁰` over the training graph (He et al. 2020, eq. 3, 4 and 8, with equal layer weights).

    Nodes without training interactions keep `E⁰/(L+1)`.
    """

    table_rows = {"embedding.weight": (USERS, ITEMS)}  # noqa: RUF012

    def __init__(self, spec: DatasetSpec, embedding_dim: int, n_layers: int = 2, init_scale: float = 0.1) -> None:
        super().__init__()
        self.n_layers, self.sizes, self.init_scale = n_layers, (spec.n_users, spec.n_items), init_scale
        self.embedding = embedding_table(spec.n_users + spec.n_items, embedding_dim, init_scale)
        adjacency = normalized_bipartite(spec.train.user_idx, spec.train.item_idx, spec.n_users, spec.n_items)
        self.propagation = Propagation(adjacency, symmetric=True)

    def forward(self) -> tuple[Float[Tensor, "n_users dim"], Float[Tensor, "n_items dim"]]:
        """The vectors of users and items."""
        users, items = self.propagation.mean_of_powers(self.embedding.weight, self.n_layers).split(self.sizes)
        return users, items

    def items(self) -> Float[Tensor, "n_items dim"]:
        items: Tensor = self()[1]
        return items

    def start_from(self, users: Float[Tensor, "n_users rank"], items: Float[Tensor, "n_items rank"]) -> None:
        set_table(self.embedding, 0, users, self.init_scale)
        set_table(self.embedding, self.sizes[0], items, self.init_scale)
