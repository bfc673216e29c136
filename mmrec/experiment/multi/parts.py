"""The tasks that one model learns: for each its evidence, its split, and its folder in that of the run."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import cast

import polars as pl

from mmrec.data.interactions.queries import PERSON, split_by_text
from mmrec.data.interactions.split import Split
from mmrec.experiment.evidence import Evidence, make_split
from mmrec.experiment.measures import largest_k
from mmrec.experiment.models import Priors, fit_priors, spec_of
from mmrec.experiment.multi.task_evidence import load_impression_evidence, load_query_evidence
from mmrec.experiment.run_folder.files import checkpoint_folder, part_folder
from mmrec.experiment.run_folder.models import load_model
from mmrec.experiment.settings import EvidenceSettings, PartSettings, SplitData, TrainingSettings
from mmrec.models.multimodal.multi_fusion import CLICK, RANKING, SEARCH, MultiFusion, spec_with_tasks
from mmrec.tasks.task import check_columns
from mmrec.types import ITEM_ID, USER_ID, DatasetSpec


@dataclass(frozen=True)
class Part:
    """One of the tasks."""

    name: str
    settings: PartSettings
    evidence: Evidence
    folder: Path
    """The run folder for the leading task, and `tasks/<name>` in it for all others; each has the files of a run of that task."""

    def data(self, training: TrainingSettings) -> SplitData:
        """The data module of the task."""
        return training.data_module(split=self.folder / "split", index=self.evidence.index, **self.settings.batches)


def lead_of(names: Sequence[str]) -> str:
    """The task whose results are in the run folder itself: the first that is not search, if there is one."""
    return next((name for name in names if name != SEARCH), SEARCH)


def load_parts(settings: EvidenceSettings, parts: Mapping[str, PartSettings], run_dir: Path, base: Evidence) -> list[Part]:
    """Return the parts in order, the leading one first, given the evidence of the leading one.

    Raises:
        DataError: the data lack what a task needs.
    """
    lead, found = lead_of(list(parts)), list[Part]()
    for name in sorted(parts, key=lambda one: one != lead):  # stable: otherwise in order
        evidence = base
        if name == SEARCH and not settings.answers_queries:
            evidence = load_query_evidence(settings, replace(base, index=found[0].evidence.index))  # whose people ask
        elif name == CLICK:
            evidence = load_impression_evidence(settings, base)
        check_columns(parts[name].task_kind, evidence.dataset.interactions.columns)
        found.append(Part(name, parts[name], evidence, part_folder(run_dir, name, lead)))
    return found


def split_parts(settings: EvidenceSettings, parts: Sequence[Part], is_resumed: bool = False) -> dict[str, Split]:
    """Split the rows of every part, and write the tables.

    Of tasks with rows of their own, such as impressions, or with a split of their own, no training part of users has a pair of user and
    item that another task holds out; personal queries are such pairs of who asked and what was clicked.

    Raises DataError as `make_split` does.
    """
    own = {part.name: part.settings.split or settings.split for part in parts}
    held = [(part, _held_out(part, own[part.name])) for part in parts if part.name != SEARCH or settings.personal]
    splits = dict(own)
    for part in (one for one in parts if one.name != SEARCH):
        others = [pairs for one, pairs in held if one.evidence is not part.evidence or own[one.name] is not own[part.name]]
        if others:
            splits[part.name] = partial(_split_without, own[part.name], pl.concat(others))
    return {
        part.name: make_split(replace(settings, split=splits[part.name]), part.evidence, part.folder / "split", is_resumed)
        for part in parts
    }


def _held_out(part: Part, split: Callable[[pl.DataFrame], Split]) -> pl.DataFrame:
    """The pairs of a user and an item that a task holds out; of queries, those of people who asked."""
    rows, asked = part.evidence.dataset.interactions, None if part.evidence.queries is None else part.evidence.queries.asked
    found = split(rows) if asked is None else split_by_text(split, asked, rows)
    held = pl.concat([table.select(USER_ID, ITEM_ID) for table in (found.valid, found.test)])
    if asked is not None:
        held = held.join(asked, on=USER_ID).select(pl.col(PERSON).alias(USER_ID), ITEM_ID).drop_nulls()
    return held.unique(maintain_order=True)


def _split_without(split: Callable[[pl.DataFrame], Split], held_out: pl.DataFrame, rows: pl.DataFrame) -> Split:
    """Split rows, and leave those out of the training part that are held out for another task."""
    found = split(rows)
    train = found.train.join(held_out, on=[USER_ID, ITEM_ID], how="anti", maintain_order="left")
    n = len(found.train) - len(train)
    notes = (f"{n:,} rows of the training part are left out, since they are held out for another task",) if n else ()
    return replace(found, train=train, notes=found.notes + notes)


def spec_of_parts(parts: Sequence[Part], data: Mapping[str, SplitData], names: Sequence[str]) -> DatasetSpec:
    """Return what a model may know: the training parts of all tasks, in the order of `names`, and all allowed evidence."""
    by_name = {part.name: spec_of(part.evidence, data[part.name].train_interactions) for part in parts}
    return spec_with_tasks({name: by_name[name] for name in names})


def fit_part_priors(training: TrainingSettings, parts: Sequence[Part], data: Mapping[str, SplitData]) -> Priors:
    """Fit the priors of the ranking, if it is one of the tasks; they are None otherwise."""
    if RANKING not in training.parts:
        none = Priors(linear=None, trend=None)
        none.chosen = {}
        return none
    k = largest_k(training.parts[RANKING].measures)
    return fit_priors(training.model, spec_of_parts(parts, data, [RANKING]), data[RANKING].valid_set(), k)


def load_trained(
    settings: EvidenceSettings, run_dir: Path, training: TrainingSettings, base: Evidence
) -> tuple[MultiFusion, list[Part], dict[str, SplitData], DatasetSpec, Priors]:
    """Restore the trained model of one seed with its parts, and their data, set up for test, given the evidence of the leading one.

    After them come the specification and the priors from which the model is made.
    """
    parts = load_parts(settings, training.parts, run_dir, base)
    data = {part.name: part.data(training) for part in parts}
    for one in data.values():
        one.setup("test")
    spec = spec_of_parts(parts, data, list(training.parts))
    priors = fit_part_priors(training, parts, data)
    model = load_model(training, spec, priors, checkpoint_folder(run_dir, training.seed))
    return cast("MultiFusion", model), parts, data, spec, priors
