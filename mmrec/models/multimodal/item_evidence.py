"""The fused item vectors of models with other heads than ranking: made for one model, or shared with others."""

from collections.abc import Callable, Collection, Mapping

import torch
from jaxtyping import Bool
from torch import Tensor, nn

from mmrec.models.multimodal.fusion import FusionRecommender
from mmrec.nn.backbones.backbone import Backbone
from mmrec.nn.fusion.fusion import Fusion
from mmrec.types import DatasetSpec

MakesFusion = Callable[..., Fusion] | FusionRecommender
"""Creates a fusion from `n_modalities` and `embedding_dim`; or the model whose item vectors are shared."""


def item_evidence(
    spec: DatasetSpec,
    embedding_dim: int,
    fusion: MakesFusion,
    backbone: Callable[..., Backbone] | None,
    kg_encoder: Callable[..., nn.Module] | None,
    hidden: Mapping[str, float],
) -> FusionRecommender:
    """Return what fuses the items of a model whose head is another than that of `FusionRecommender`.

    Args:
        spec: the interactions of the collaborative token, and all other evidence.
        embedding_dim: the size of vectors and tokens.
        fusion: creates the fusion; or the model to share, in which case all other arguments are unused.
        backbone: creates the collaborative token. None: no such token.
        kg_encoder: creates the encoder of entities. None: no entity token.
        hidden: the fractions hidden in training of tokens (`modality`) and of the numbers of frozen features (`feature`).

    Raises:
        ValueError: `embedding_dim` is not that of the model to share, or a fraction is out of range.
    """
    if isinstance(fusion, FusionRecommender):
        if (found := fusion.content_bias.in_features) != embedding_dim:
            raise ValueError(f"embedding_dim: expected {found}, as the shared item vectors have, found {embedding_dim}")
        return fusion
    dropout: dict[str, float | None] = {"modality": hidden["modality"], "feature": hidden["feature"]}
    dropout |= {"history": 0.0, "collaborative": 0.0}
    return FusionRecommender(spec, embedding_dim, fusion, backbone, kg_encoder, dropout=dropout)


def visible_without(evidence: FusionRecommender, hidden: Collection[str]) -> Bool[Tensor, "n_items modalities"]:
    """Return which tokens items have, without those of the modalities in `hidden`."""
    return evidence.present & torch.tensor([name not in hidden for name in evidence.modalities], device=evidence.present.device)
