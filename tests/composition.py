"""Read every configuration file once in a process, and merge them once for the same choices, which takes Hydra most of a second.

Values are overridden by Hydra, in a copy. A configuration to which a test adds files of its own is composed anew each time.
"""

import pickle
from typing import Any

import hydra._internal.config_loader_impl as loader
from hydra._internal.config_repository import ConfigRepository
from hydra._internal.defaults_list import DefaultsList, Overrides
from hydra.core.config_store import ConfigStore
from hydra.core.default_element import ResultDefault
from hydra.core.override_parser.types import Override
from hydra.plugins.config_source import ConfigResult
from omegaconf import DictConfig

CONSTANT = {("pkg", "mmrec.conf"), ("pkg", "hydra.conf"), ("structured", "")}
"""Sources of files that no test changes, as (scheme, path)."""
_create, _merge = loader.create_defaults_list, loader.ConfigLoaderImpl._compose_config_from_defaults_list
_load = ConfigRepository.load_config
_files: dict[Any, bytes] = {}
_lists: dict[Any, DefaultsList] = {}
_merged: dict[int, tuple[list[ResultDefault], bytes]] = {}


def compose_once() -> None:
    """Replace the slow parts of Hydra in this process."""
    ConfigRepository.load_config = _load_once
    loader.create_defaults_list = _create_once
    loader.ConfigLoaderImpl._compose_config_from_defaults_list = _merge_once


def _load_once(self: ConfigRepository, config_path: str) -> ConfigResult | None:
    """The content of a file, or of a structured schema."""
    if not _is_constant(self):
        return _load(self, config_path)
    key = (config_path, *ConfigStore.instance().repo)
    if key not in _files:
        _files[key] = pickle.dumps(_load(self, config_path))  # a copy of a configuration takes three times as long
    return pickle.loads(_files[key])


def _create_once(
    repo: Any, config_name: str | None, overrides_list: list[Override], prepend_hydra: bool, skip_missing: bool
) -> DefaultsList:
    """The files to merge, and the values to override after that."""
    options = {"prepend_hydra": prepend_hydra, "skip_missing": skip_missing}
    if not _is_constant(repo):
        return _create(repo, config_name, overrides_list, **options)
    values = Overrides(repo=repo, overrides_list=overrides_list).config_overrides
    choices = tuple(override.input_line for override in overrides_list if not any(override is value for value in values))
    key = (config_name, choices, *options.values(), *ConfigStore.instance().repo)
    if key not in _lists:
        _lists[key] = _create(repo, config_name, overrides_list, **options)
    found = _lists[key]
    return DefaultsList(defaults=found.defaults, config_overrides=values, defaults_tree=found.defaults_tree, overrides=found.overrides)


def _merge_once(self: loader.ConfigLoaderImpl, defaults: list[ResultDefault], repo: Any) -> DictConfig:
    """The merged files, of which a list that is no longer needed cannot give its id to another."""
    if not any(defaults is one.defaults for one in _lists.values()):
        return _merge(self, defaults, repo)
    if id(defaults) not in _merged:
        _merged[id(defaults)] = defaults, pickle.dumps(_merge(self, defaults, repo))
    return pickle.loads(_merged[id(defaults)][1])


def _is_constant(repo: Any) -> bool:
    return all((source.scheme(), source.path) in CONSTANT for source in repo.get_sources())
