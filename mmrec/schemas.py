"""The schemas of the commands' configurations: a key that is not here is an error, in files and on the command line."""

from dataclasses import dataclass, field
from typing import Any, Union

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, OmegaConf

from mmrec.plugins import choices

Node = dict[str, Any]


@dataclass
class GraphConfig:
    """Construction of the knowledge graph."""

    item_columns: list[str] = MISSING
    separator: str = MISSING
    min_degree: int = MISSING


@dataclass
class FilterConfig:
    """Filtering of the interactions before the split; see `mmrec.data.interactions.filter.filter_interactions`."""

    min_rating: float | None = MISSING
    repeated: str = MISSING
    min_per_user: int = MISSING
    min_per_item: int = MISSING
    labels: str = MISSING


@dataclass
class FeaturesConfig:
    """Extraction of frozen features."""

    batch_size: int = MISSING
    engine: str = MISSING
    n_workers: int = MISSING
    store: str | None = None


@dataclass
class EvaluationConfig:
    """Further measurements besides the rankings."""

    auc: bool = MISSING
    item_column: str | None = None


@dataclass
class CheckpointConfig:
    """Checkpoints in addition to those after each epoch."""

    every_n_steps: int | None = None


@dataclass
class Selection:
    """Selection of the epoch and of the baselines' hyperparameters."""

    metric: str | None = MISSING
    patience: int = MISSING


@dataclass
class TuneConfig:
    """Hyperparameter search for the trained model, and the encoders that are trained with it; see `mmrec.nn.adapters.tuning`."""

    minutes: float | None = None
    space: Node = field(default_factory=dict)
    text: str = "none"
    image: str = "none"
    n_layers: int | None = 2
    rank: int = 8
    alpha: float = 16.0
    modules: list[str] | None = None
    image_modules: list[str] | None = None
    width: int = 32
    n_tokens: int = 8
    max_items_per_step: int | None = 256
    group_size: int = 32
    lr: float | None = None
    weight_decay: float = 0.01
    layer_decay: float = 1.0
    warmup_steps: int = 0
    frozen_epochs: int = 0
    gradient_checkpointing: bool = False


@dataclass
class AuxiliaryConfig:
    """Losses that are added to that of the task; see `mmrec.models.auxiliary`."""

    link_prediction: float = 0.0
    contrast: float = 0.0
    n_triples: int = 1024
    n_negatives: int = 32
    n_items: int = 512
    temperature: float = 0.1


@dataclass
class Paths:
    """Locations of files."""

    cache: str = MISSING
    runs: str = MISSING


@dataclass
class TrainConfig:
    """The top level of `conf/train.yaml`: a key that is not here is an error, in files and on the command line."""

    data: Node = field(default_factory=dict)
    split: Node = field(default_factory=dict)
    encoders: Node = field(default_factory=dict)
    kg_encoder: Node = field(default_factory=dict)
    backbone: Node = field(default_factory=dict)
    linear: Node = field(default_factory=dict)
    trend: Node = field(default_factory=dict)
    fusion: Node = field(default_factory=dict)
    loss: Node = field(default_factory=dict)
    baselines: Node = field(default_factory=dict)
    trainer: Node = field(default_factory=dict)
    logger: Node = field(default_factory=dict)
    model: Node = field(default_factory=dict)
    data_module: Node = field(default_factory=dict)
    task: Node = field(default_factory=dict)
    optimizer: Node = field(default_factory=dict)
    evidence: dict[str, Union[bool, str]] = field(default_factory=dict)  # noqa: UP007, OmegaConf knows no other spelling
    further_evidence: Union[bool, str] = MISSING  # noqa: UP007
    user_text: Node = field(default_factory=dict)
    train_share: float = 1.0
    filter: FilterConfig = field(default_factory=FilterConfig)
    graph: GraphConfig = field(default_factory=GraphConfig)
    features: FeaturesConfig = field(default_factory=FeaturesConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    selection: Selection = field(default_factory=Selection)
    tune: TuneConfig = field(default_factory=TuneConfig)
    auxiliary: AuxiliaryConfig = field(default_factory=AuxiliaryConfig)
    checkpoint: CheckpointConfig = field(default_factory=CheckpointConfig)
    paths: Paths = field(default_factory=Paths)
    seed: int = MISSING
    n_seeds: int = MISSING
    trusted_packages: list[str] = field(default_factory=list)
    tuned_in: str | None = None
    run_dir: str | None = None
    resume: str | None = None
    trust_run: bool = False


@dataclass
class PretrainFeaturesConfig:
    """The feature store of texts."""

    store: str | None = None


@dataclass
class PretrainConfig:
    """The top level of `conf/pretrain.yaml`."""

    data: Node = field(default_factory=dict)
    encoders: Node = field(default_factory=dict)
    trusted_packages: list[str] = field(default_factory=list)
    paths: Paths = field(default_factory=Paths)
    seed: int = MISSING
    epochs: int = MISSING
    batch_size: int = MISSING
    learning_rate: float = MISSING
    features: PretrainFeaturesConfig = field(default_factory=PretrainFeaturesConfig)
    pretrain: str = MISSING
    kge: str = MISSING
    embedding_dim: int = MISSING
    graph: GraphConfig = field(default_factory=GraphConfig)
    output: str = MISSING


@dataclass
class GraphCommandConfig:
    """The top level of `conf/graph.yaml`."""

    data: Node = field(default_factory=dict)
    trusted_packages: list[str] = field(default_factory=list)
    paths: Paths = field(default_factory=Paths)
    graph: GraphConfig = field(default_factory=GraphConfig)
    seed: int = MISSING
    output: str | None = None


@dataclass
class CheckCommandConfig:
    """The top level of `conf/check.yaml`."""

    data: Node = field(default_factory=dict)
    trusted_packages: list[str] = field(default_factory=list)
    paths: Paths = field(default_factory=Paths)
    pictures: bool = MISSING
    json: str | None = None


@dataclass
class DescribeCommandConfig:
    """The top level of `conf/describe.yaml`."""

    data: Node = field(default_factory=dict)
    trusted_packages: list[str] = field(default_factory=list)
    paths: Paths = field(default_factory=Paths)
    examples: int = MISSING
    output: str | None = None


@dataclass
class IngestCommandConfig:
    """The top level of `conf/ingest.yaml`."""

    data: Node = field(default_factory=dict)
    split: Node = field(default_factory=dict)
    filter: FilterConfig = field(default_factory=FilterConfig)
    trusted_packages: list[str] = field(default_factory=list)
    paths: Paths = field(default_factory=Paths)
    output: str = MISSING
    seed: int = MISSING


@dataclass
class EvaluateConfig:
    """The top level of `conf/evaluate.yaml`."""

    run: str = MISSING
    predictions: str | None = None
    trusted_packages: list[str] = field(default_factory=list)
    data: Node = field(default_factory=dict)
    paths: Paths = field(default_factory=Paths)
    trust_run: bool = False
    rerank: Node = field(default_factory=dict)


@dataclass
class Board:
    """The scope of a leaderboard: every combination of dataset, split, model and seed is a run of `mmrec train` with these overrides."""

    name: str = MISSING
    data: dict[str, list[str]] = MISSING
    splits: list[str] = MISSING
    models: dict[str, list[str]] = MISSING
    baselines: str = MISSING
    seeds: list[int] = MISSING
    tune_once: bool = False
    overrides: list[str] = MISSING
    columns: list[str] = MISSING
    metric: str = MISSING


@dataclass
class LeaderboardConfig:
    """The top level of `conf/leaderboard.yaml`."""

    board: Board = field(default_factory=Board)
    trusted_packages: list[str] = field(default_factory=list)
    paths: Paths = field(default_factory=Paths)
    output: str | None = None
    run: bool = MISSING
    jobs: int = MISSING
    seed: int = MISSING


@dataclass
class RecommendConfig:
    """The top level of `conf/recommend.yaml`."""

    run: str = MISSING
    user: str = MISSING
    k: int = MISSING
    rerank: Node = field(default_factory=dict)
    trusted_packages: list[str] = field(default_factory=list)
    data: Node = field(default_factory=dict)
    paths: Paths = field(default_factory=Paths)
    trust_run: bool = False


@dataclass
class SearchConfig:
    """The top level of `conf/search.yaml`."""

    run: str = MISSING
    query: str | None = None
    image: str | None = None
    k: int = MISSING


@dataclass
class ServeConfig:
    """The top level of `conf/serve.yaml`."""

    run: str | None = None
    host: str = MISSING
    port: int = MISSING
    store: str | None = None
    user_key_file: str | None = None
    api_keys: str | None = None
    rate_per_s: float | None = None
    request_timeout_s: float = MISSING
    index: str = MISSING
    threads: int = MISSING
    trusted_packages: list[str] = field(default_factory=list)
    data: Node = field(default_factory=dict)
    paths: Paths = field(default_factory=Paths)
    trust_run: bool = False


@dataclass
class ExportEventsConfig:
    """The top level of `conf/export_events.yaml`."""

    store: str = MISSING
    out: str = MISSING
    attribution_hours: float = MISSING
    user_key_file: str | None = None


@dataclass
class KeyConfig:
    """The top level of `conf/key.yaml`."""

    file: str = MISSING
    name: str = MISSING
    scopes: list[str] = MISSING


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
    "search": SearchConfig,
    "serve": ServeConfig,
    "export_events": ExportEventsConfig,
    "key": KeyConfig,
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
