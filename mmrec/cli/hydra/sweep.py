"""Collect the runs of a sweep, and print a table of their results at the end."""

import os
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from mmrec.cli.process.messages import message_of
from mmrec.errors import MmrecError
from mmrec.terminal import say, show

_SWEEPER = "MMREC_SWEEPER"
"""The environment variable with the id of the process that started a sweep; its launcher may use other processes."""


class Member(NamedTuple):
    """A run of a sweep: its overrides, and its folder, or the error message if it failed."""

    overrides: list[str]
    folder: Path | None
    problem: str = ""


_members: list[Member] = []
"""The runs of this process."""


def start_sweep() -> None:
    """Clear the runs of an earlier command in this process."""
    _members.clear()
    os.environ[_SWEEPER] = str(os.getpid())


def add_run(overrides: list[str], folder: Path) -> None:
    """Add a finished run."""
    _members.append(Member(overrides, folder))


def run_member(run: Callable[[DictConfig], None], cfg: DictConfig) -> None:
    """Execute one run of a sweep. Its error is printed and stored; in a separate process of the launcher, it is raised instead."""
    overrides = list(HydraConfig.get().overrides.task)
    try:
        run(cfg)
    except Exception as error:
        problem = message_of(error, "train")
        if problem is None:
            traceback.print_exc()
            problem = f"{type(error).__name__}: {error}"
        say(*f"mmrec: {' '.join(overrides)}: {problem}".split("\n"))
        if os.environ.get(_SWEEPER) != str(os.getpid()):
            raise
        _members.append(Member(overrides, None, problem))


def finish_sweep() -> None:
    """Print a table of the runs, labelled by the overrides in which they differ. Raises MmrecError if a run failed."""
    if not _members:
        return
    common = set.intersection(*(set(member.overrides) for member in _members)) if len(_members) > 1 else set()
    labels = [" ".join(override for override in member.overrides if override not in common) for member in _members]
    failed = [label for member, label in zip(_members, labels, strict=True) if member.folder is None]
    finished = [(member.folder, label) for member, label in zip(_members, labels, strict=True) if member.folder is not None]
    if finished and len(_members) > 1:
        _show_sweep(finished, failed)
    if failed:
        problems = (f"{label}: {member.problem}" for member, label in zip(_members, labels, strict=True) if member.problem)
        raise MmrecError("\n".join(problems))


def _show_sweep(finished: list[tuple[Path, str]], failed: list[str]) -> None:
    from mmrec.evaluation.compare.against_baselines import cutoffs
    from mmrec.evaluation.pages.terminal import sweep_table
    from mmrec.experiment.run_folder.record import read_sweep_run

    found = [read_sweep_run(folder, label) for folder, label in finished]
    ks = cutoffs(found[0].metrics["models"][found[0].model])
    show(sweep_table(found, [f"{name}@{k}" for k in ks for name in ("recall", "ndcg")], f"ndcg@{ks[-1]}", failed))
