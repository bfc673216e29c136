"""A verb whose words are overrides: Hydra composes its configuration, and calls it once or for each run of a sweep."""

import os
import sys
from collections.abc import Callable
from importlib import import_module
from typing import NamedTuple

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from mmrec.cli.hydra.shorthand import expand_shorthand
from mmrec.cli.hydra.sweep import add_run, finish_sweep, run_member, start_sweep
from mmrec.cli.process.messages import errors_as_messages
from mmrec.config.hydra.compose import check_trust
from mmrec.config.hydra.external_config import check_config_dirs
from mmrec.config.hydra.overrides import prepare_overrides, split_resume_overrides
from mmrec.config.resume import check_resume
from mmrec.schemas import register_schemas


class Verb(NamedTuple):
    """What a verb calls with its configuration."""

    module: str
    function: str
    config_name: str


def run_verb(name: str, verb: Verb, words: list[str]) -> None:
    """Runs a verb with the words after it. Raises what its function raises, and Hydra's own errors."""
    words = prepare_overrides(expand_shorthand(name, words) if name.startswith("data ") else words)
    sys.argv = [f"mmrec {name}", *sorted(words, key=lambda word: word not in ("-m", "--multirun"))]  # argparse wants it before or after
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra raises instead of printing and exiting: the messages are ours
    register_schemas()
    start_sweep()
    check_config_dirs(words, verb.config_name)
    of_run: list[str] = []
    if name == "train":
        sys.argv[1:], of_run = split_resume_overrides(sys.argv[1:])
    hydra.main(version_base="1.3", config_path="pkg://mmrec.conf", config_name=verb.config_name)(_called(verb, of_run))()
    finish_sweep()


def _called(verb: Verb, of_run: list[str]) -> Callable[[DictConfig], None]:
    """What Hydra calls, with errors made messages before it adds a line of its own. One that ends a run of a sweep leaves the others.

    `of_run` are the overrides of the run that is resumed, which Hydra did not compose.
    """

    def run(cfg: DictConfig) -> None:
        words = list(HydraConfig.get().overrides.task)
        check_trust(cfg, words)
        if verb.config_name != "train":
            getattr(import_module(verb.module), verb.function)(cfg)
            return
        check_resume(cfg)  # before anything large is imported
        overrides = words + of_run
        add_run(overrides, getattr(import_module(verb.module), verb.function)(cfg, overrides))

    def wrapped(cfg: DictConfig) -> None:
        if HydraConfig.get().mode == RunMode.MULTIRUN and verb.config_name == "train":
            run_member(run, cfg)
        else:
            with errors_as_messages(verb.config_name):
                run(cfg)

    return wrapped
