"""The runs of a sweep: each is remembered, and they are shown side by side at the end."""

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
"""The environment variable with the number of the process that a sweep was started in; its launcher may use others."""


class Member(NamedTuple):
    """A run of a sweep: its overrides, and its folder or why there is none."""

    overrides: list[str]
    folder: Path | None
    problem: str = ""


_members: list[Member] = []
"""The runs of this process."""


def start_sweep() -> None:
    """Forgets the runs of an earlier command of this process."""
    _members.clear()
    os.environ[_SWEEPER] = str(os.getpid())


def add_run(overrides: list[str], folder: Path) -> None:
    """Remembers a run that was finished."""
    _members.append(Member(overrides, folder))


def run_member(run: Callable[[DictConfig], None], cfg: DictConfig) -> None:
    """One run of a sweep. What makes it fail is printed and remembered; a launcher's own process raises it, for the sweep to end with."""
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
    """Prints the runs of a sweep side by side, each under the overrides that are not common to all. Raises MmrecError where one failed."""
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
