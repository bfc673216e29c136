"""Run subcommands that take overrides: Hydra composes the configuration and calls the function, once or for each run of a sweep."""

import os
import sys
from collections.abc import Callable
from importlib import import_module
from typing import NamedTuple

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from mmrec.cli.hydra.budget import expand_budget
from mmrec.cli.hydra.search_words import expand_query
from mmrec.cli.hydra.shorthand import expand_shorthand
from mmrec.cli.hydra.sweep import add_run, finish_sweep, run_member, start_sweep
from mmrec.cli.process.messages import errors_as_messages
from mmrec.config.hydra.compose import check_trust
from mmrec.config.hydra.external_config import check_config_dirs
from mmrec.config.hydra.overrides import prepare_overrides, split_resume_overrides
from mmrec.config.resume import check_resume
from mmrec.schemas import register_schemas


class Verb(NamedTuple):
    """The function that a subcommand calls with its configuration."""

    module: str
    function: str
    config_name: str


def run_verb(name: str, verb: Verb, words: list[str]) -> None:
    """Run a subcommand with its arguments. Raises the exceptions of its function and of Hydra."""
    if name == "search":
        words = expand_query(words)
    if name == "tune":
        words = expand_budget(words)
    words = prepare_overrides(expand_shorthand(name, words) if name.startswith("data ") else words)
    # Argparse requires -m before or after all overrides.
    sys.argv = [f"mmrec {name}", *sorted(words, key=lambda word: word not in ("-m", "--multirun"))]
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra raises exceptions, from which mmrec makes its messages, instead of printing and exiting
    register_schemas()
    start_sweep()
    check_config_dirs(words, verb.config_name)
    of_run: list[str] = []
    if verb.config_name == "train":
        sys.argv[1:], of_run = split_resume_overrides(sys.argv[1:])
    hydra.main(version_base="1.3", config_path="pkg://mmrec.conf", config_name=verb.config_name)(_called(verb, of_run))()
    finish_sweep()


def _called(verb: Verb, of_run: list[str]) -> Callable[[DictConfig], None]:
    """The function that Hydra calls. It prints errors before Hydra adds a line of its own; a failed run of a sweep does not end the others.

    `of_run` are the overrides for a resumed run, which Hydra does not compose.
    """

    def run(cfg: DictConfig) -> None:
        words = list(HydraConfig.get().overrides.task)
        check_trust(cfg, words)
        if verb.config_name != "train":
            getattr(import_module(verb.module), verb.function)(cfg)
            return
        check_resume(cfg)  # before the slow imports
        overrides = words + of_run
        add_run(overrides, getattr(import_module(verb.module), verb.function)(cfg, overrides))

    def wrapped(cfg: DictConfig) -> None:
        if HydraConfig.get().mode == RunMode.MULTIRUN and verb.config_name == "train":
            run_member(run, cfg)
        else:
            with errors_as_messages(verb.config_name):
                run(cfg)

    return wrapped
