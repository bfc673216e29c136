"""Item content as the input of networks: learned vectors of words and graph neighbours, and projected features, summed."""

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from mmrec.models.content.content_matrix import Content


class ItemContent(nn.Module):
    """A linear map from `read_content` to `dim` numbers per item. The content itself is not part of checkpoints."""

    def __init__(self, content: Content, dim: int, init_scale: float = 0.1) -> None:
        super().__init__()
        self.names = tuple(content.blocks)
        self.tables = nn.ParameterList()
        for name, block in content.blocks.items():
            self.tables.append(nn.Parameter(init_scale * torch.randn(block.shape[1], dim)))
            if isinstance(block, np.ndarray):
                parts = {"values": block}
            else:
                parts = {"values": block.data, "columns": block.indices.astype("int64"), "starts": block.indptr.astype("int64")}
            for part, values in parts.items():
                self.register_buffer(f"{part}_{name}", torch.from_numpy(values), persistent=False)

    def forward(self) -> Float[Tensor, "n_items dim"]:
        """The vectors of all items; zero for items without content."""
        found: list[Tensor] = []
        for name, table in zip(self.names, self.tables, strict=True):
            values = getattr(self, f"values_{name}")
            if values.ndim == 2:
                found.append(values @ table)
            else:
                columns, starts = getattr(self, f"columns_{name}"), getattr(self, f"starts_{name}")
                weighted = {"mode": "sum", "per_sample_weights": values, "include_last_offset": True}
                found.append(F.embedding_bag(columns, table, starts, **weighted))
        return torch.stack(found).sum(dim=0)
