"""The schemas of the commands about finished runs, boards and services."""

from dataclasses import dataclass, field

from omegaconf import MISSING

from mmrec.schemas.training import Node, Paths


@dataclass
class FromRun:
    """What the commands that restore a run from its data have in common: where these are, and what is trusted."""

    trusted_packages: list[str] = field(default_factory=list)
    data: Node = field(default_factory=dict)
    paths: Paths = field(default_factory=Paths)
    trust_run: bool = False


@dataclass
class EvaluateConfig(FromRun):
    """The top level of `conf/evaluate.yaml`."""

    run: str = MISSING
    predictions: str | None = None
    defended: str | None = None
    rerank: Node = field(default_factory=dict)
    attack: Node = field(default_factory=dict)


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
    slices: int | None = None
    updates: list[str] = field(default_factory=list)


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
class RecommendConfig(FromRun):
    """The top level of `conf/recommend.yaml`."""

    run: str = MISSING
    user: str = MISSING
    k: int = MISSING
    at: str | None = None
    rerank: Node = field(default_factory=dict)


@dataclass
class ExplainConfig(FromRun):
    """The top level of `conf/explain.yaml`."""

    run: str = MISSING
    user: str = MISSING
    item: str | None = None
    k: int = MISSING
    language: str = MISSING


@dataclass
class ChatConfig(FromRun):
    """The top level of `conf/chat.yaml`."""

    run: str = MISSING
    user: str | None = None
    k: int = MISSING
    language: str = MISSING
    out: str | None = None
    rerank: Node = field(default_factory=dict)


@dataclass
class SearchConfig:
    """The top level of `conf/search.yaml`."""

    run: str = MISSING
    query: str | None = None
    image: str | None = None
    user: str | None = None
    k: int = MISSING


@dataclass
class ServeConfig(FromRun):
    """The top level of `conf/serve.yaml`."""

    run: str | None = None
    host: str = MISSING
    port: int = MISSING
    store: str | None = None
    store_password_file: str | None = None
    user_key_file: str | None = None
    api_keys: str | None = None
    rate_per_s: float | None = None
    request_timeout_s: float = MISSING
    index: str = MISSING
    threads: int = MISSING
    workers: int = MISSING
    max_workers: int | None = None
    engine: str = MISSING


@dataclass
class UpdateConfig(FromRun):
    """The top level of `conf/update.yaml`."""

    run: str = MISSING
    out: str = MISSING
    update: Node = field(default_factory=dict)
    max_epochs: int = MISSING
    patience: int = MISSING
    valid_ratio: float = MISSING
    test_ratio: float = MISSING
    allow_older: bool = MISSING


@dataclass
class KeyConfig:
    """The top level of `conf/key.yaml`."""

    file: str = MISSING
    name: str = MISSING
    scopes: list[str] = MISSING
