"""The scores of a trained model as functions of the features of one modality, for attacks on the inputs of its items."""

from copy import deepcopy
from typing import cast, final

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from mmrec.errors import ConfigError
from mmrec.models.multimodal.fusion import FusionRecommender
from mmrec.models.multimodal.vbpr import VBPR
from mmrec.models.recommender import GradientRecommender, Recommender
from mmrec.nn.encoders.tuned import TunedEncoder
from mmrec.nn.item_features import centre_and_scale
from mmrec.nn.look_up import rows_of
from mmrec.types import COLLABORATIVE, Features


@final
class ChangedFeatures:
    """A trained model whose items may have other features than those it was trained with; its weights and statistics stay.

    Args:
        model: a `FusionRecommender` or a `VBPR`.
        modality: whose features are changed.
        clean: the unchanged features, as the encoder gives them.

    Raises:
        ConfigError: the model is another, or does not use the modality.
    """

    def __init__(self, model: Recommender, modality: str, clean: Features) -> None:
        used = model.projections if isinstance(model, FusionRecommender | VBPR) else None
        if used is None:
            raise ConfigError(f"attack: expected a run of model=fusion or model=vbpr, found {type(model).__name__}")
        if modality not in used:
            raise ConfigError(f"attack: the model does not use the {modality} of items; attack a run that does")
        self.model, self.modality, self.clean = cast("GradientRecommender", model), modality, clean
        frozen = model.freeze().vectors()
        if frozen is None:
            raise ConfigError(f"attack: {type(model).__name__} has no vectors of users and items")
        self.users, self.before = frozen.users, frozen.items
        self.centre, self.scale = self._statistics()
        self._n_views = model.parts().items.shape[1] // (model.content_bias.in_features + 1) if isinstance(model, FusionRecommender) else 1

    @property
    def tuned(self) -> TunedEncoder | None:
        """The encoder of the modality, if it was trained with the model."""
        encoders = getattr(self.model, "encoders", {})
        return cast("TunedEncoder", encoders[self.modality]) if self.modality in encoders else None

    def items(self, values: Float[Tensor, "n feature_dim"], item_idx: Int64[Tensor, " n"]) -> Float[Tensor, "n dim"]:
        """The vectors of items with the given features, with gradients; their inner products with `users` are scores."""
        rest = rows_of(self.before, item_idx)
        if isinstance(self.model, FusionRecommender):
            vectors = self._fused(self.model, (values - self.centre) / self.scale, item_idx)
        else:
            vectors = cast("VBPR", self.model).item_vectors({self.modality: values}, item_idx)
        return torch.cat([vectors, rest[:, vectors.shape[1] :]], dim=1)

    @torch.no_grad()
    def model_with(self, values: Float[Tensor, "n_items feature_dim"]) -> GradientRecommender:
        """A copy of the model in which all items have the given features, users' histories included."""
        changed = deepcopy(self.model)
        rows = (values - self.centre) / self.scale
        rows = torch.where(self.clean.present[:, None], rows, 0.0)
        if self.tuned is not None:
            encoder = cast("TunedEncoder", cast("FusionRecommender", changed).encoders[self.modality])
            encoder.take_catalogue(torch.cat([rows, encoder.catalogue()[len(rows) :]]))
        elif isinstance(changed, FusionRecommender):
            getattr(changed, f"features_{self.modality}").copy_(rows)
        else:
            cast("VBPR", changed).features.values(self.modality).copy_(values)
        return changed

    def _statistics(self) -> tuple[Float[Tensor, " dim"], Float[Tensor, ""]]:
        if self.tuned is not None:
            return self.tuned.centre, self.tuned.scale
        return centre_and_scale(self.clean.values, self.clean.present)

    def _fused(
        self, model: FusionRecommender, rows: Float[Tensor, "n feature_dim"], item_idx: Int64[Tensor, " n"]
    ) -> Float[Tensor, "n dim"]:
        """As `FusionRecommender.parts` represents these items: in one view, or in a view of known and one of new items."""
        is_new = ~model.known_items
        visible = model.open[is_new.long()]
        if self._n_views > 1:
            content = torch.tensor([name != COLLABORATIVE for name in model.modalities], device=visible.device)
            visible = visible & (content | ~is_new[:, None])
        encoded = model.encode(visible, item_idx, {self.modality: rows})
        vectors = torch.cat([F.normalize(encoded.items.float(), dim=1), encoded.bias.float()[:, None]], dim=1)
        if self._n_views == 1:
            return vectors
        new = is_new[item_idx][:, None].float()
        return torch.cat([vectors * (1 - new), vectors * new], dim=1)
