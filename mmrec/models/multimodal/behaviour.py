"""The base class of models that combine item features with LightGCN."""

from mmrec.models.recommender import GradientRecommender
from mmrec.nn.backbones.lightgcn import LightGCN
from mmrec.nn.item_features import ItemFeatures
from mmrec.types import DatasetSpec


class BehaviourRecommender(GradientRecommender):
    """Provides `behaviour`, LightGCN over the interactions, and `features`, those of all modalities.

    Raises:
        ValueError: no item has any features.
    """

    def __init__(self, spec: DatasetSpec, embedding_dim: int, n_layers: int, init_scale: float) -> None:
        super().__init__(spec)
        self.features = ItemFeatures(spec.features, type(self).__name__.lower())
        self.behaviour = LightGCN(spec, embedding_dim, n_layers, init_scale)
