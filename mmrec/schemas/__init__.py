"""The schemas of the commands' configurations: a key that is not here is an error, in files and on the command line."""

from typing import TYPE_CHECKING

from mmrec.lazy_names import lazy_names

if TYPE_CHECKING:
    from mmrec.schemas.data_commands import CheckCommandConfig as CheckCommandConfig
    from mmrec.schemas.data_commands import DescribeCommandConfig as DescribeCommandConfig
    from mmrec.schemas.data_commands import ExportEventsConfig as ExportEventsConfig
    from mmrec.schemas.data_commands import GraphCommandConfig as GraphCommandConfig
    from mmrec.schemas.data_commands import IngestCommandConfig as IngestCommandConfig
    from mmrec.schemas.register import register_schemas as register_schemas
    from mmrec.schemas.run_commands import Board as Board
    from mmrec.schemas.run_commands import ChatConfig as ChatConfig
    from mmrec.schemas.run_commands import EvaluateConfig as EvaluateConfig
    from mmrec.schemas.run_commands import ExplainConfig as ExplainConfig
    from mmrec.schemas.run_commands import KeyConfig as KeyConfig
    from mmrec.schemas.run_commands import LeaderboardConfig as LeaderboardConfig
    from mmrec.schemas.run_commands import RecommendConfig as RecommendConfig
    from mmrec.schemas.run_commands import SearchConfig as SearchConfig
    from mmrec.schemas.run_commands import ServeConfig as ServeConfig
    from mmrec.schemas.run_commands import UpdateConfig as UpdateConfig
    from mmrec.schemas.training import AuxiliaryConfig as AuxiliaryConfig
    from mmrec.schemas.training import CheckpointConfig as CheckpointConfig
    from mmrec.schemas.training import EvaluationConfig as EvaluationConfig
    from mmrec.schemas.training import FeaturesConfig as FeaturesConfig
    from mmrec.schemas.training import FilterConfig as FilterConfig
    from mmrec.schemas.training import GraphConfig as GraphConfig
    from mmrec.schemas.training import Paths as Paths
    from mmrec.schemas.training import PretrainConfig as PretrainConfig
    from mmrec.schemas.training import PretrainFeaturesConfig as PretrainFeaturesConfig
    from mmrec.schemas.training import Selection as Selection
    from mmrec.schemas.training import TrainConfig as TrainConfig
    from mmrec.schemas.training import TuneConfig as TuneConfig

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        ".data_commands": "CheckCommandConfig DescribeCommandConfig ExportEventsConfig GraphCommandConfig IngestCommandConfig",
        ".register": "register_schemas",
        ".run_commands": "Board ChatConfig EvaluateConfig ExplainConfig KeyConfig "
        "LeaderboardConfig RecommendConfig SearchConfig ServeConfig UpdateConfig",
        ".training": "AuxiliaryConfig CheckpointConfig EvaluationConfig FeaturesConfig FilterConfig GraphConfig "
        "Paths PretrainConfig PretrainFeaturesConfig Selection TrainConfig TuneConfig",
    },
)
