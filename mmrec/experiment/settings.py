"""What an experiment is told: plain values, and factories with everything bound that whoever composes the experiment knows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, overload

import polars as pl
from lightning.pytorch import Trainer
from lightning.pytorch.loggers import Logger

from mmrec.data.batches.batch_factory import BatchFactory, EvaluationRows
from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.data.interactions.filter import Filter
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.data.interactions.split import Split
from mmrec.experiment.run_folder.changes import Change
from mmrec.experiment.tuning.search import Fittable
from mmrec.models.recommender import Recommender
from mmrec.tasks.task import Declared, Task
from mmrec.types import MODALITIES, Dataset, FeatureEncoder, Interactions


class SplitData(Protocol):
    """A `LightningDataModule` over the parts of a split, such as `data_modules.tabular.TabularDataModule`."""

    @property
    def train_interactions(self) -> Interactions:
        """The rows of the training part, in their order."""
        ...

    @property
    def train(self) -> InteractionMatrix:
        """Who had which item in the training part."""
        ...

    def setup(self, stage: str) -> None:
        """Reads the tables that `stage` may see."""
        ...

    def teardown(self, stage: str) -> None:
        """Ends what was started for `stage`."""
        ...

    @overload
    def valid_set(self) -> EvaluationSet:
        """What ranking measures on the validation part."""
        ...

    @overload
    def valid_set(self, task: BatchFactory) -> EvaluationRows:
        """What a task measures on the validation part."""
        ...

    @overload
    def test_set(self) -> EvaluationSet:
        """What ranking measures on the test part. Only after `setup("test")`."""
        ...

    @overload
    def test_set(self, task: BatchFactory) -> EvaluationRows:
        """What a task measures on the test part. Only after `setup("test")`."""
        ...


@dataclass(frozen=True)
class FeatureSettings:
    """How frozen features are extracted, and where they are kept."""

    encoders: Mapping[str, Callable[[], FeatureEncoder]]
    """By kind of evidence, `text`, `image` and any other; each is made when it has something to encode, for it may be a large download."""
    cache: Path
    batch_size: int = 64
    engine: str = "local"
    """`local` or `ray`."""
    n_workers: int = 2
    """Of ray."""
    store: str | None = None
    """The address of features that several machines share."""


@dataclass(frozen=True)
class GraphSettings:
    """How the knowledge graph is made."""

    item_columns: Sequence[str] = ()
    separator: str = ", "
    min_degree: int = 2


@dataclass(frozen=True)
class EvidenceSettings:
    """What is read, and what of it a model may use."""

    dataset: Callable[[], Dataset]
    split: Callable[[pl.DataFrame], Split]
    filter: Filter
    allowed: Mapping[str, bool | str]
    """By kind of evidence: yes, no, or how it is changed (`mmrec.data.features.counterfactual`); yes where nothing is said."""
    features: FeatureSettings
    graph: GraphSettings = field(default_factory=GraphSettings)
    item_column: str | None = None
    """A column of the items by whose groups exposure is measured."""
    seed: int = 0
    further: bool | str = True
    """The same of those that are not among `MODALITIES` and of which `allowed` says nothing."""

    def allows(self, name: str) -> bool | str:
        """Whether a kind of evidence may be used, or how it is changed."""
        return self.allowed.get(name, True if name in MODALITIES else self.further)


@dataclass(frozen=True)
class ModelSettings:
    """The model of one training, and what it is made from."""

    name: str
    """What the run calls it."""
    kind: type[Recommender]
    make: Callable[..., Recommender]
    """Called with the `parts_taken` and the `spec` of the data; of a model in closed form with nothing."""
    parts: Mapping[str, Callable[[], Any]]
    """By the name in `parts_taken`: `fusion`, `backbone`, `kg_encoder`."""
    priors: Mapping[str, Callable[[], Any]]
    """`linear` and `trend`, where there are any; each is fitted first."""
    uses_interactions: bool = True
    """Whether the interactions are among the evidence that is allowed."""


@dataclass(frozen=True)
class Candidate:
    """A model whose setting validation chooses: a baseline, or a model in closed form."""

    name: str
    make: Callable[..., Fittable]
    """Called with one setting: values by dotted argument, such as `model.embedding_dim`."""
    fixed: Mapping[str, Any]
    """Plain values that say which model it is and what of it is not tried."""
    space: Mapping[str, list[Any]] = field(default_factory=dict)
    """By dotted argument: choices, or a range (`mmrec.experiment.tuning.space`)."""
    n_trials: int = 1
    capped: tuple[str, ...] = ()
    """The dotted arguments whose space is not widened."""
    first: tuple[dict[str, Any], ...] = ()
    """Settings that are tried before others."""
    for_new_items: bool = False
    """Whether it is left out where the split holds out no new items."""


@dataclass(frozen=True)
class SelectionSettings:
    """What validation chooses by."""

    metric: str
    """Such as `val/ndcg@20`."""
    patience: int
    """Epochs without a better one before training stops."""
    cache: Path
    """Where chosen settings of candidates are kept."""


@dataclass(frozen=True)
class TrainingSettings:
    """One training: what is drawn in it depends on its seed."""

    seed: int
    model: ModelSettings
    candidate: Candidate
    """The same model as one whose setting is chosen, which those in closed form are."""
    data_module: Callable[..., SplitData]
    """Called with `split_dir` and `index`."""
    task: Callable[[Recommender], Task]
    trainer: Callable[..., Trainer]
    """Called with the callbacks, plugins and loggers."""
    loggers: Callable[[str], list[Logger]]
    """Called with the version under which files are logged."""
    selection: SelectionSettings
    measures: Declared
    """The metrics of the task."""
    every_n_steps: int | None = None
    """Optimizer steps between checkpoints within an epoch."""
    progress_bar: bool = False
    resume: Path | None = None
    """The run folder whose newest sound checkpoint is the start."""
    trial_seconds: float | None = None
    """Of a trial of a search alone, which tells nothing of its epochs: after so long it ends with the epoch."""


@dataclass(frozen=True)
class ModelSearch:
    """The settings of a trained model among which validation chooses, and for how long."""

    minutes: float
    space: Mapping[str, list[Any]]
    """By dotted key of the configuration: choices, or a range (`mmrec.experiment.tuning.space`)."""
    start: Mapping[str, Any]
    """What the configuration says of these keys: the first that is tried, where the space has it."""
    training: Callable[[int, Mapping[str, Any]], TrainingSettings]
    """By seed, with values of these keys."""
    config: Callable[[Mapping[str, Any]], str]
    """What config.yaml says with values of these keys."""


@dataclass(frozen=True)
class TrainSettings:
    """A run: trainings of one model from several seeds, measured beside baselines."""

    run_dir: Path
    evidence: EvidenceSettings
    seeds: Sequence[int]
    training: Callable[[int], TrainingSettings]
    """By seed."""
    baselines: Sequence[Candidate] = ()
    auc: bool = True
    """Whether the area under the ROC curve is measured, too."""
    config: str = ""
    """What config.yaml says of all this."""
    changes: Mapping[str, Change] | None = None
    """Of a run that is resumed, what is different from now on, by key; None where it begins."""
    search: ModelSearch | None = None
    """Settings that are searched before the model is trained."""
    searched: Mapping[str, Any] = field(default_factory=dict)
    """What that search chose, plain values."""

    @property
    def is_resumed(self) -> bool:
        """Whether the run folder has been trained in before."""
        return self.changes is not None


@dataclass(frozen=True)
class EvaluateSettings:
    """A finished run that is measured again."""

    run_dir: Path
    evidence: EvidenceSettings
    training: Callable[[int], TrainingSettings]
    """By seed."""
