"""Pure modules: encoders, backbones, fusion and propagation."""

from typing import TYPE_CHECKING

from mmrec.lazy_names import lazy_names

if TYPE_CHECKING:
    from mmrec.nn.adapters.tuning import EncoderTraining as EncoderTraining
    from mmrec.nn.adapters.tuning import Tuning as Tuning
    from mmrec.nn.backbones.backbone import Backbone as Backbone
    from mmrec.nn.backbones.item_table import ItemTable as ItemTable
    from mmrec.nn.backbones.lightgcn import LightGCN as LightGCN
    from mmrec.nn.encoders.image import ClipImageEncoder as ClipImageEncoder
    from mmrec.nn.encoders.knowledge import CompGCNEncoder as CompGCNEncoder
    from mmrec.nn.encoders.knowledge import RGCNEncoder as RGCNEncoder
    from mmrec.nn.encoders.text import BertTextEncoder as BertTextEncoder
    from mmrec.nn.encoders.text import minilm as minilm
    from mmrec.nn.fusion.attention import AttentionFusion as AttentionFusion
    from mmrec.nn.fusion.concat import ConcatFusion as ConcatFusion
    from mmrec.nn.fusion.fusion import Fusion as Fusion
    from mmrec.nn.fusion.gated import GatedFusion as GatedFusion
    from mmrec.nn.fusion.mean import MeanFusion as MeanFusion

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        ".adapters.tuning": "EncoderTraining Tuning",
        ".backbones.backbone": "Backbone",
        ".backbones.item_table": "ItemTable",
        ".backbones.lightgcn": "LightGCN",
        ".encoders.image": "ClipImageEncoder",
        ".encoders.knowledge": "CompGCNEncoder RGCNEncoder",
        ".encoders.text": "BertTextEncoder minilm",
        ".fusion.attention": "AttentionFusion",
        ".fusion.concat": "ConcatFusion",
        ".fusion.fusion": "Fusion",
        ".fusion.gated": "GatedFusion",
        ".fusion.mean": "MeanFusion",
    },
)
