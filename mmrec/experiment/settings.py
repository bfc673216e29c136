"""The settings of experiments: plain values, and factories with all configured arguments bound."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, overload

import mmrec._torchvision  # noqa: F401  first: the imports below may reach torchvision

import polars as pl
from jaxtyping import Int64
from lightning.pytorch import Trainer
from lightning.pytorch.loggers import Logger
from torch import Tensor

from mmrec.data.batches.batch_factory import BatchFactory, EvaluationRows, Place
from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.data.batches.loader import StepBatches
from mmrec.data.features.user_template import UserTemplate
from mmrec.data.interactions.filter import Filter
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.data.interactions.split import Split
from mmrec.experiment.run_folder.changes import Change
from mmrec.experiment.tuning.search import Fittable
from mmrec.models.auxiliary import Auxiliary
from mmrec.models.recommender import RANKS, Recommender
from mmrec.nn.adapters.augmentation import Augmentation
from mmrec.nn.adapters.tuning import EncoderTraining, Tuning
from mmrec.tasks.task import Declared, Task
from mmrec.types import MODALITIES, USER_TEXT, Dataset, FeatureEncoder, Interactions


class SplitData(Protocol):
    """The interface of data modules for the parts of a split, such as `data_modules.tabular.TabularDataModule`."""

    @property
    def train_interactions(self) -> Interactions:
        """The rows of the training part, in order."""
        ...

    @property
    def train(self) -> InteractionMatrix:
        """The binary user-item matrix of the training part."""
        ...

    @property
    def n_workers(self) -> int:
        """The number of processes that build the batches."""
        ...

    def train_batches(self, task: BatchFactory, place: Place) -> StepBatches:
        """The training batches of a task."""
        ...

    def describe_batch(self, batch: Any) -> str:
        """The users of a batch and its rows in the training part, for messages."""
        ...

    def setup(self, stage: str) -> None:
        """Read the tables that `stage` may access."""
        ...

    def teardown(self, stage: str) -> None:
        """Release what was set up for `stage`."""
        ...

    def learn_from(self, user_idx: Int64[Tensor, " n"]) -> None:
        """Restrict the training batches to the interactions of these users."""
        ...

    @overload
    def valid_set(self) -> EvaluationSet:
        """The validation set of ranking."""
        ...

    @overload
    def valid_set(self, task: BatchFactory) -> EvaluationRows:
        """The validation set of a task."""
        ...

    @overload
    def test_set(self) -> EvaluationSet:
        """The test set of ranking. Requires `setup("test")`."""
        ...

    @overload
    def test_set(self, task: BatchFactory) -> EvaluationRows:
        """The test set of a task. Requires `setup("test")`."""
        ...


@dataclass(frozen=True)
class FeatureSettings:
    """The extraction and storage of frozen features."""

    encoders: Mapping[str, Callable[[], FeatureEncoder]]
    """Factories by modality, `text`, `image` and others, called only when there is something to encode: encoders may be large downloads."""
    cache: Path
    batch_size: int = 64
    engine: str = "local"
    """`local` or `ray`."""
    n_workers: int = 2
    """The number of workers of ray."""
    store: str | None = None
    """The URL of a feature store shared by several machines."""


@dataclass(frozen=True)
class GraphSettings:
    """The construction of the knowledge graph."""

    item_columns: Sequence[str] = ()
    separator: str = ", "
    min_degree: int = 2


@dataclass(frozen=True)
class EvidenceSettings:
    """The data to read, and the evidence that a model may use."""

    dataset: Callable[[], Dataset]
    split: Callable[[pl.DataFrame], Split]
    filter: Filter
    allowed: Mapping[str, bool | str]
    """By modality: True, False, or a change (`mmrec.data.features.counterfactual`); True by default."""
    features: FeatureSettings
    graph: GraphSettings = field(default_factory=GraphSettings)
    item_column: str | None = None
    """The item column whose groups are used to measure exposure."""
    seed: int = 0
    answers_queries: bool = False
    """Whether the queries of the data take the place of users."""
    personal: bool = False
    """Whether who asked a query is known to what answers it."""
    further: bool | str = True
    """Likewise, for modalities that are neither in `MODALITIES` nor in `allowed`."""
    of_impressions: bool = False
    """Whether the rows are the dataset's impressions, if it has any beside the interactions."""
    user_text: Callable[[], UserTemplate] | None = None
    """Makes the template of the texts about users."""

    def allows(self, name: str) -> bool | str:
        """Whether a modality may be used, or how it is changed."""
        return self.allowed.get(name, name in MODALITIES if name in (*MODALITIES, USER_TEXT) else self.further)


@dataclass(frozen=True)
class EncoderSettings:
    """The training of encoders with a model."""

    tunings: Mapping[str, Tuning]
    """By modality; those that are missing stay frozen."""
    training: EncoderTraining
    cache: Path
    """The folder of all caches."""
    augmentation: Augmentation = field(default_factory=Augmentation)
    """What is changed in their inputs in training steps."""


@dataclass(frozen=True)
class ModelSettings:
    """The model of a training, and its parts."""

    name: str
    """The name of the model in the run."""
    kind: type[Recommender]
    make: Callable[..., Recommender]
    """Called with the `parts_taken` and the `spec` of the data; for models in closed form, without arguments."""
    parts: Mapping[str, Callable[[], Any]]
    """By the name in `parts_taken`: `fusion`, `backbone`, `kg_encoder`."""
    priors: Mapping[str, Callable[[], Any]]
    """The configured `linear` and `trend`, which are fitted first."""
    uses_interactions: bool = True
    """Whether interactions are allowed as evidence."""
    encoders: EncoderSettings | None = None
    """The encoders to train with the model."""
    auxiliary: Auxiliary | None = None
    """The auxiliary losses."""
    few_shot: Callable[..., Any] | None = None
    """Creates what computes users from few items, from `embedding_dim`."""


@dataclass(frozen=True)
class Candidate:
    """A model whose hyperparameters are chosen by validation: a baseline, or a model in closed form."""

    name: str
    make: Callable[..., Fittable]
    """Called with one setting: values by dotted argument, such as `model.embedding_dim`."""
    fixed: Mapping[str, Any]
    """Plain values that identify the model and its fixed arguments."""
    space: Mapping[str, list[Any]] = field(default_factory=dict)
    """By dotted argument: choices, or a range (`mmrec.experiment.tuning.space`)."""
    n_trials: int = 1
    capped: tuple[str, ...] = ()
    """The dotted arguments whose space is not extended."""
    first: tuple[dict[str, Any], ...] = ()
    """Settings to try first."""
    for_new_items: bool = False
    """Whether it is left out if the split holds out no new items."""
    predicts: str = RANKS
    """As `Recommender.predicts`."""
    known: Mapping[str, Any] | None = None
    """A setting chosen on the validation part of another run, which replaces the search."""


@dataclass(frozen=True)
class SelectionSettings:
    """The selection of epochs and hyperparameters by validation."""

    metric: str
    """For example `val/ndcg@20`."""
    patience: int
    """The number of epochs without improvement before early stopping."""
    cache: Path
    """The folder in which chosen hyperparameters of candidates are stored."""


@dataclass(frozen=True)
class PartSettings:
    """One of the tasks of a model that learns several."""

    task_kind: type[Task]
    measures: Declared
    """The metrics of the task."""
    metric: str
    """The metric by which baselines are tuned, such as `val/ndcg@10`."""
    split: Callable[[pl.DataFrame], Split] | None = None
    """The split of its rows, if it has rows of its own; None: that of the run."""
    batches: Mapping[str, Any] = field(default_factory=dict)
    """What its batches have otherwise than `data_module` says."""


@dataclass(frozen=True)
class TrainingSettings:
    """The settings of one training with a given seed."""

    seed: int
    model: ModelSettings
    candidate: Candidate
    """The model as a candidate, which is how models in closed form are tuned."""
    data_module: Callable[..., SplitData]
    """Called with `split` and `index`."""
    task: Callable[[Recommender], Task]
    task_kind: type[Task]
    trainer: Callable[..., Trainer]
    """Called with the callbacks, plugins and loggers."""
    loggers: Callable[[str], list[Logger]]
    """Called with the version of the log files."""
    selection: SelectionSettings
    measures: Declared
    """The metrics of the task."""
    parts: Mapping[str, PartSettings] = field(default_factory=dict)
    """By name, the tasks of a model that learns several."""
    every_n_steps: int | None = None
    """The number of optimizer steps between checkpoints within an epoch."""
    progress_bar: bool = False
    resume: Path | None = None
    """The run folder whose newest valid checkpoint is the start."""
    trial_seconds: float | None = None
    """For trials of a search: the time after which training ends with the current epoch; its epochs are not reported."""
    prune: Callable[[float], bool] | None = None
    """For trials of a search: called with the validation metric after each epoch; returns whether to end the training."""


@dataclass(frozen=True)
class ModelSearch:
    """The hyperparameter search of a trained model."""

    minutes: float | None
    space: Mapping[str, list[Any]]
    """By dotted key of the configuration: choices, or a range (`mmrec.experiment.tuning.space`)."""
    start: Mapping[str, Any]
    """The configured values of these keys, which are tried first if the space contains them."""
    training: Callable[[int, Mapping[str, Any]], TrainingSettings]
    """Returns the settings of a training, given a seed and values of these keys."""
    config: Callable[[Mapping[str, Any]], str]
    """Returns the content of config.yaml, given values of these keys."""
    fits: int | None = None
    """The maximal number of settings to train."""
    pruner: str = "none"
    """The rule that stops trials early, see `mmrec.experiment.tuning.pruning`."""


@dataclass(frozen=True)
class TrainSettings:
    """A run: trainings of one model with several seeds, compared with baselines."""

    run_dir: Path
    evidence: EvidenceSettings
    seeds: Sequence[int]
    training: Callable[[int], TrainingSettings]
    """By seed."""
    baselines: Sequence[Candidate] = ()
    tuned_in: Path | None = None
    """A finished run whose settings the baselines take instead of searching for their own."""
    auc: bool = True
    """Whether to compute the area under the ROC curve."""
    report: bool = True
    """Whether to write report.html."""
    config: str = ""
    """The content of config.yaml."""
    changes: Mapping[str, Change] | None = None
    """For a resumed run, the changes from now on by key; None for a new run."""
    search: ModelSearch | None = None
    """The hyperparameter search before the training."""
    searched: Mapping[str, Any] = field(default_factory=dict)
    """The result of the search, as plain values."""

    @property
    def is_resumed(self) -> bool:
        """Whether the run is resumed."""
        return self.changes is not None


@dataclass(frozen=True)
class EvaluateSettings:
    """The evaluation of a finished run."""

    run_dir: Path
    evidence: EvidenceSettings
    training: Callable[[int], TrainingSettings]
    """By seed."""
