"""Free item vectors: matrix factorisation in which users are represented by their items."""

from jaxtyping import Float
from torch import Tensor

from mmrec.nn.backbones.backbone import Backbone, embedding_table, set_table
from mmrec.nn.table_rows import ITEMS
from mmrec.types import DatasetSpec


class ItemTable(Backbone):
    """One free vector per item, the output vectors of FISM (Kabbur et al. 2013, eq. 3)."""

    table_rows = {"table.weight": (ITEMS,)}  # noqa: RUF012

    def __init__(self, spec: DatasetSpec, embedding_dim: int, init_scale: float = 0.1) -> None:
        super().__init__()
        self.init_scale = init_scale
        self.table = embedding_table(spec.n_items, embedding_dim, init_scale)

    def items(self) -> Float[Tensor, "n_items dim"]:
        return self.table.weight

    def start_from(self, users: Float[Tensor, "n_users rank"], items: Float[Tensor, "n_items rank"]) -> None:
        set_table(self.table, 0, items, self.init_scale)
