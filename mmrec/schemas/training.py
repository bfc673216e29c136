"""The schemas of `mmrec train` and `mmrec pretrain`."""

from dataclasses import dataclass, field
from typing import Any, Union

from omegaconf import MISSING

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
    report: bool = True


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
    fits: int | None = None
    pruner: str = "none"
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
    augment: Node = field(default_factory=dict)


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
    time: Node = field(default_factory=dict)
    few_shot: Node = field(default_factory=dict)
    robust: Node = field(default_factory=dict)
    fusion: Node = field(default_factory=dict)
    loss: Node = field(default_factory=dict)
    baselines: Node = field(default_factory=dict)
    trainer: Node = field(default_factory=dict)
    logger: Node = field(default_factory=dict)
    model: Node = field(default_factory=dict)
    data_module: Node = field(default_factory=dict)
    task: Node = field(default_factory=dict)
    task_data: Node = field(default_factory=dict)
    optimizer: Node = field(default_factory=dict)
    schedule: Node = field(default_factory=dict)
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
    epsilon_255: int = MISSING
    steps: int = MISSING
    kge: str = MISSING
    embedding_dim: int = MISSING
    graph: GraphConfig = field(default_factory=GraphConfig)
    output: str = MISSING
