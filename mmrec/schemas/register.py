"""The schemas by the name of their primary configuration, and their registration."""

from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf

from mmrec.plugins import choices
from mmrec.schemas.data_commands import (
    CheckCommandConfig,
    DescribeCommandConfig,
    ExportEventsConfig,
    GraphCommandConfig,
    IngestCommandConfig,
)
from mmrec.schemas.run_commands import (
    ChatConfig,
    EvaluateConfig,
    ExplainConfig,
    KeyConfig,
    LeaderboardConfig,
    RecommendConfig,
    SearchConfig,
    ServeConfig,
    UpdateConfig,
)
from mmrec.schemas.training import PretrainConfig, TrainConfig

SCHEMAS: dict[str, type] = {
    "train": TrainConfig,
    "pretrain": PretrainConfig,
    "graph": GraphCommandConfig,
    "check": CheckCommandConfig,
    "describe": DescribeCommandConfig,
    "ingest": IngestCommandConfig,
    "evaluate": EvaluateConfig,
    "leaderboard": LeaderboardConfig,
    "recommend": RecommendConfig,
    "explain": ExplainConfig,
    "chat": ChatConfig,
    "search": SearchConfig,
    "serve": ServeConfig,
    "export_events": ExportEventsConfig,
    "key": KeyConfig,
    "update": UpdateConfig,
}
"""By the name of the primary configuration, `conf/<name>.yaml`."""
_MAPS = ("encoders", "evidence")
"""Keys below which any name is allowed, for which Hydra would otherwise require a +."""


def register_schemas() -> None:
    """Register the schemas under the names used by the primary configurations, and the choices of other packages in their groups."""
    store = ConfigStore.instance()
    for name, schema in SCHEMAS.items():
        node = OmegaConf.structured(schema)
        for key in _MAPS:
            if key in node:
                OmegaConf.set_struct(node[key], False)
        store.store(name=f"{name}_schema", node=node)
    for choice in choices():
        store.store(group=choice.group, name=choice.name, node=choice.node, package=choice.package)
