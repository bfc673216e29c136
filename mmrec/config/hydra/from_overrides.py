"""Convert the arguments of a Python call to the settings of an experiment, in the same way as the command line."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from mmrec.config.hydra.compose import compose_overrides
from mmrec.config.hydra.quoting import quoted
from mmrec.config.resume import check_resume
from mmrec.errors import ConfigError
from mmrec.schemas import EvaluateConfig, UpdateConfig

if TYPE_CHECKING:
    from mmrec.experiment.run.frontier import FrontierSettings
    from mmrec.experiment.run.scorers import SavedSettings
    from mmrec.experiment.settings import EvaluateSettings, TrainSettings
    from mmrec.experiment.updating.settings import UpdateSettings
    from mmrec.types import Dataset

_PLAIN = re.compile(r"(?!(true|false|null|nan|inf|yes|no|on|off)$)[A-Za-z_][\w./-]*", re.IGNORECASE)
"""Texts that need no quotes in the grammar of overrides."""


def to_overrides(settings: Mapping[str, Any]) -> list[str]:
    """Convert keys and values to overrides.

    For example, `{"split": "global_time", "evidence": {"image": False}}` gives `split=global_time` and `evidence.image=false`. A dictionary
    only sets the keys that it contains.
    """
    return [f"{key}={_literal(value)}" for key, value in _leaves(settings, "")]


def train_settings_of(words: Sequence[str]) -> "TrainSettings":
    """Return the settings of `mmrec train` with overrides. Raises ConfigError as the command does, before any data are read."""
    composed = compose_overrides("train", words)
    check_resume(composed.cfg)
    from mmrec.config.settings import train_settings  # imports lightning, which is slow

    return train_settings(composed.cfg, composed.overrides)


def train_settings_of_dataset(words: Sequence[str], name: str, keys: Mapping[str, Any]) -> "tuple[TrainSettings, Path]":
    """Return the settings of `mmrec train` on a dataset in memory, and the folder to which it has to be written first.

    This folder is in the run folder, so that the run can be evaluated and resumed like any other.

    Args:
        words: overrides, none of which concerns `data`.
        name: the name of the dataset.
        keys: the keys of `data` other than the path.

    Raises:
        ConfigError: as `train_settings_of`; or an override selects other data or a run to resume.
    """
    for word in words:
        if re.match(r"[+~]*(data[.=@/]|data$|resume=)", word):
            raise ConfigError(f"{word}: a dataset is already given as an argument; use only one of the two")
    folder = re.sub(r"[^\w.-]+", "_", name).strip(".") or "dataset"
    composed = compose_overrides("train", [*words, "data=folder", f"data.path={quoted(folder)}", *to_overrides({"data": keys})])
    cfg = composed.cfg
    from mmrec.config.run_dir import free_run_dir  # imports torch

    if cfg.run_dir is None:
        cfg.run_dir = str(free_run_dir(Path(cfg.paths.runs), folder, str(OmegaConf.select(cfg, "split._target_")).rpartition(".")[2]))
    cfg.data.path = str(Path(cfg.run_dir) / "data" / folder)
    from mmrec.config.settings import train_settings

    return train_settings(cfg, composed.overrides), Path(cfg.data.path)


def evaluate_settings_of(words: Sequence[str]) -> "EvaluateSettings":
    """Return the settings of `mmrec evaluate` with overrides. Raises ConfigError as the command does."""
    cfg = compose_overrides("evaluate", words).cfg
    from mmrec.config.check import check
    from mmrec.config.settings import evaluate_settings

    check(cfg, EvaluateConfig)
    return evaluate_settings(cfg)


def update_settings_of(words: Sequence[str], new: "Dataset | None" = None) -> "UpdateSettings":
    """Return the settings of `mmrec update` with overrides, and with new data if they are given. Raises ConfigError as the command does."""
    cfg = compose_overrides("update", words).cfg
    from mmrec.config.check import check
    from mmrec.config.verbs.update import update_settings

    check(cfg, UpdateConfig)
    return update_settings(cfg, new)


def places_of(cfg: DictConfig) -> list[str]:
    """Return the overrides of `mmrec evaluate` with which a command was told where the data of a run are, and what it may use."""
    data = {name: value for name, value in cfg.data.items() if value is not None}
    places: dict[str, Any] = {"paths": OmegaConf.to_container(cfg.paths, resolve=True), "trust_run": cfg.trust_run} | (
        {"data": data} if data else {}
    )
    return to_overrides(places | {"trusted_packages": list(cfg.trusted_packages)})


def frontier_of(words: Sequence[str]) -> "tuple[FrontierSettings, list[str]] | None":
    """Return the settings of `mmrec evaluate rerank=…` with overrides, and the overrides of its places; None if there is no method.

    Raises ConfigError as the command does.
    """
    cfg = compose_overrides("evaluate", words).cfg
    from mmrec.config.check import check
    from mmrec.config.verbs.rerank import frontier_settings, rerankers

    check(cfg, EvaluateConfig)
    return (frontier_settings(cfg), places_of(cfg)) if rerankers(cfg) else None


def saved_settings(words: Sequence[str], update: "Callable[[Path, Any, Any, Mapping[str, Any]], Path]") -> "SavedSettings":
    """Return factories of the settings that restore the model of a run, with overrides of `mmrec evaluate` such as `data.path=…`.

    `update` is what `Run.update` calls.
    """
    from mmrec.experiment.run.scorers import SavedSettings

    def training(run_dir: Path) -> Any:
        from mmrec.config.settings import saved_training

        return saved_training(run_dir)

    return SavedSettings(training, lambda run_dir: evaluate_settings_of([f"run={quoted(str(run_dir))}", *words]), update)


def _leaves(node: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in node.items():
        key = f"{prefix}.{name}" if prefix else str(name)
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, key)
        else:
            yield key, value


def _literal(value: Any) -> str:
    """Format a value in the grammar of overrides."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{quoted(str(name))}: {_literal(one)}" for name, one in value.items()) + "}"
    if isinstance(value, list | tuple | set | frozenset | range):
        return "[" + ",".join(map(_literal, value)) + "]"
    text = str(value)
    return text if _PLAIN.fullmatch(text) else quoted(text)
