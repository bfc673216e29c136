"""The schemas of the commands about data."""

from dataclasses import dataclass, field

from omegaconf import MISSING

from mmrec.schemas.training import FilterConfig, GraphConfig, Node, Paths


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
class ExportEventsConfig:
    """The top level of `conf/export_events.yaml`."""

    store: str = MISSING
    out: str = MISSING
    attribution_hours: float = MISSING
    store_password_file: str | None = None
    user_key_file: str | None = None
