"""VBPR: matrix factorisation with additional item factors that are computed from content."""

from collections.abc import Collection, Mapping

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from mmrec.data.batches.train_batches import TrainBatch
from mmrec.models.recommender import FrozenScorer, GradientRecommender, TrainScores
from mmrec.models.scores import BatchVectors
from mmrec.nn.backbones.backbone import embedding_table
from mmrec.nn.item_features import ItemFeatures
from mmrec.nn.look_up import look_up
from mmrec.nn.table_rows import ITEMS, USERS
from mmrec.types import DatasetSpec


class VBPR(GradientRecommender):
    """Scores `x̂_ui = β_i + γ_uᵀγ_i + θ_uᵀ(E f_i) + β'ᵀf_i` (He & McAuley 2016, eq. 4), trained by BPR (eq. 5, 6).

    The terms α and β_u, which are constant for a user, are left out. In the paper f_i is a picture; here E and β' have a part per modality,
    and the modalities of an item are summed. New items are ranked by their features alone: their β_i and γ_i are untrained and replaced by
    zero.

    Args:
        spec: the training data, with features.
        embedding_dim: the size of γ.
        content_dim: the size of θ.
        init_scale: the standard deviation of the initialisation.
        regularization: λ_Θ of all parameters except E and β' (section 4.2, λ_E = 0).
    """

    ranks_new_items = True

    table_rows = {"users.weight": (USERS,), "items.weight": (ITEMS,)}  # noqa: RUF012

    def __init__(
        self,
        spec: DatasetSpec,
        embedding_dim: int = 64,
        content_dim: int = 64,
        init_scale: float = 0.1,
        regularization: float = 0.001,
    ) -> None:
        super().__init__(spec)
        self.embedding_dim, self.regularization = embedding_dim, regularization
        self.features = ItemFeatures(spec.features, type(self).__name__.lower())
        self.users = embedding_table(spec.n_users, embedding_dim + content_dim, init_scale)  # γ_u and θ_u
        self.items = embedding_table(spec.n_items, embedding_dim + 1, init_scale)  # γ_i and β_i
        nn.init.zeros_(self.items.weight[:, -1])
        projections = {name: nn.Linear(dim, content_dim + 1, bias=False) for name, dim in self.features.dims.items()}  # E and β'
        self.projections = nn.ModuleDict(projections)
        for projection in projections.values():
            nn.init.normal_(projection.weight[:-1], std=projection.in_features**-0.5)
            nn.init.zeros_(projection.weight[-1])

    def score_batch(self, batch: TrainBatch, generator: torch.Generator) -> TrainScores:
        own = BatchVectors.look_up(self.users.weight, self.items.weight, batch)
        positives, negatives = self._item_vectors((own.positives, batch.item_idx), (own.negatives, batch.negatives))
        positive, negative = BatchVectors(self._user_vectors(own.users), positives, negatives).scores(batch.row)
        return TrainScores(positive, negative, self.regularization * own.squared_norm())

    @torch.no_grad()
    def freeze(self, hidden: Collection[str] = ()) -> FrozenScorer:
        self.eval()
        own = torch.where(self.known_items[:, None], self.items.weight, 0.0)
        (items,) = self._item_vectors((own, torch.arange(len(own), device=own.device)))
        return self.freeze_vectors(self._user_vectors(self.users.weight), items)

    def item_vectors(self, values: Mapping[str, Tensor], item_idx: Int64[Tensor, " n"]) -> Float[Tensor, "n dim"]:
        """The vectors of items as `freeze` has them, with other features of some modalities, and with gradients."""
        own = torch.where(self.known_items[item_idx, None], look_up(self.items.weight, item_idx), 0.0)
        (vectors,) = self._item_vectors((own, item_idx))
        for name, changed in values.items():
            shift = self.projections[name](changed - look_up(self.features.values(name), item_idx))
            shift = torch.where(self.features.present(name)[item_idx, None], shift, 0.0)
            vectors = vectors + F.pad(shift, (self.embedding_dim, 0))
        return vectors

    def _user_vectors(self, own: Float[Tensor, "n factors"]) -> Float[Tensor, "n dim"]:
        """The vectors [γ_u, θ_u, 1]."""
        return F.pad(own, (0, 1), value=1.0)

    def _item_vectors(self, *rows: tuple[Float[Tensor, "... factors"], Int64[Tensor, "..."]]) -> list[Float[Tensor, "... dim"]]:
        """The vectors [γ_i, E f_i, β_i + β'ᵀf_i] of items, given pairs of their γ_i and β_i and their indices."""
        shown = [own.new_zeros(()) for own, _ in rows]
        for name, projection in self.projections.items():
            present = self.features.present(name)
            for part, projected in enumerate(self.features.project(name, projection, *(idx for _, idx in rows))):
                shown[part] = shown[part] + torch.where(present[rows[part][1]][..., None], projected, 0.0)
        vectors = []
        for (own, _), content in zip(rows, shown, strict=True):
            factors, bias = own.split([self.embedding_dim, 1], dim=-1)
            vectors.append(torch.cat([factors, content[..., :-1], bias + content[..., -1:]], dim=-1))
        return vectors
