"""A stream: after every time-ordered slice of a dataset, update, full training and no update are measured on the next slice.

<folder>/slices/02/         the interactions of a slice, with the items, users and triples that come with them
<folder>/runs/02/           the run after the slice: the first is trained, the others are updates of the run before
<folder>/retrained/02/      the checkpoints of the full training on the data of that run
<folder>/steps/02.json      what was measured; finished steps are not repeated
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import polars as pl

from mmrec.data.folder.write import write_dataset
from mmrec.experiment.evidence import load_evidence, make_split
from mmrec.experiment.fit import fit, load_best, quiet_lightning
from mmrec.experiment.measures import largest_k
from mmrec.experiment.models import fit_priors, make_data_module, make_model, make_spec
from mmrec.experiment.run_folder.files import checkpoint_folder
from mmrec.experiment.run_folder.find import is_finished
from mmrec.experiment.settings import TrainSettings
from mmrec.experiment.train import train
from mmrec.experiment.updating.next_slice import Vectors, measure_rows, vectors_of_run
from mmrec.experiment.updating.settings import UpdateSettings
from mmrec.experiment.updating.slices import Slices, divide
from mmrec.experiment.updating.update import update
from mmrec.files.storage import read_json, write_json
from mmrec.types import Dataset

_log = logging.getLogger(__name__)
UPDATED, RETRAINED, UNCHANGED = "update", "full training", "no update"


@dataclass(frozen=True)
class StreamSettings:
    """The slices of a stream, and what is done after each."""

    folder: Path
    dataset: Callable[[], Dataset]
    n_slices: int
    first: Callable[[Path, Path], TrainSettings]
    """Returns the settings of the first training, given the folder of its data and that of the run."""
    next: Callable[[Path, Path, Path], UpdateSettings]
    """Returns the settings of an update, given the run, the folder of the new data, and that of the updated run."""
    again: Callable[[Path, Path], TrainSettings]
    """Returns the settings of a full training on the data of an updated run, given its folder and that of the training."""
    k: int = 20
    seed: int = 0


class Step(NamedTuple):
    """What was measured after one slice, by way: `update`, `full training`, `no update`."""

    n_slices: int
    """The number of slices so far."""
    ndcg: dict[str, float]
    """On the next slice."""
    earlier: dict[str, float]
    """The ndcg of interactions of the first users that are in no slice."""
    fit_cpu_s: dict[str, float]
    """The processor time of fitting: priors, training and its validation."""
    kept: bool


class Summary(NamedTuple):
    """A stream in three numbers."""

    ndcg_ratio: float
    """The mean ndcg of updates relative to that of full trainings."""
    cpu_ratio: float
    """Likewise, of processor times of fitting."""
    fall: float
    """The relative loss on earlier users, compared with no update."""


def run_stream(settings: StreamSettings) -> list[Step]:
    """Run the steps of a stream that are not finished, and return all."""
    quiet_lightning()
    slices = divide(settings.dataset(), settings.n_slices, settings.seed)
    for number, part in enumerate(slices.parts, start=1):
        if not (target := _at(settings, "slices", number)).exists():
            write_dataset(part, target)
    first = _at(settings, "runs", 1)
    if not is_finished(first):
        train(settings.first(_at(settings, "slices", 1), first))
    return [_step(settings, slices, number) for number in range(2, settings.n_slices)]


def _at(settings: StreamSettings, what: str, number: int) -> Path:
    return settings.folder / what / f"{number:02d}"


def _step(settings: StreamSettings, slices: Slices, number: int) -> Step:
    path, run = _at(settings, "steps", number).with_suffix(".json"), _at(settings, "runs", number)
    if path.is_file():
        return Step(**read_json(path))
    if not is_finished(run):
        update(settings.next(_at(settings, "runs", number - 1), _at(settings, "slices", number), run))
    about = read_json(run / "run.json")
    again, again_s = retrain(settings.again(run, _at(settings, "retrained", number)))
    ways = {UPDATED: vectors_of_run(run), RETRAINED: again, UNCHANGED: vectors_of_run(_at(settings, "runs", 1))}
    seen, items = slices.rows_until(number), ways[UPDATED].items

    def ndcg(rows: pl.DataFrame) -> dict[str, float]:
        return {name: measure_rows(one, items, seen, rows, settings.k) for name, one in ways.items()}

    fit_cpu_s = {UPDATED: about["times"]["fit_cpu_s"], RETRAINED: again_s, UNCHANGED: 0.0}
    step = Step(number, ndcg(slices.rows_of(number + 1)), ndcg(slices.probes), fit_cpu_s, all(about["update"]["kept"].values()))
    write_json(path, step._asdict())
    _log.info(f"after {number} of {settings.n_slices} slices: " + ", ".join(f"{name} {value:.4f}" for name, value in step.ndcg.items()))
    return step


def retrain(settings: TrainSettings) -> tuple[Vectors, float]:
    """Train a model from the start, and return its vectors with the processor time of fitting in seconds."""
    training = settings.training(settings.seeds[0])
    evidence = load_evidence(settings.evidence)
    make_split(settings.evidence, evidence, settings.run_dir / "split")
    data = make_data_module(training, evidence, settings.run_dir / "split")
    data.setup("fit")
    spec, began = make_spec(evidence, data), time.process_time()
    priors = fit_priors(training.model, spec, data.valid_set(), largest_k(training.measures))
    model = make_model(training.model, spec, priors, training.seed)
    fit(training, training.task(model), data, folder := checkpoint_folder(settings.run_dir, training.seed))
    load_best(model, folder)
    seconds = time.process_time() - began
    return Vectors.of(model.freeze(), evidence.index.user_ids, evidence.index.item_ids), seconds


def summarize(steps: Sequence[Step]) -> Summary:
    """Return the ratios of means over all steps."""

    def ratio(part: str, over: str) -> float:
        values = [getattr(step, part) for step in steps]
        return float(sum(one[UPDATED] for one in values) / max(sum(one[over] for one in values), 1e-12))

    return Summary(ratio("ndcg", RETRAINED), ratio("fit_cpu_s", RETRAINED), 1 - ratio("earlier", UNCHANGED))


def table_of(steps: Sequence[Step]) -> list[dict[str, str]]:
    """Return a row of texts for each step, with the values of update, full training and no update in each cell."""

    def cell(values: dict[str, float], digits: int) -> str:
        return " / ".join(f"{values[name]:.{digits}f}" for name in (UPDATED, RETRAINED, UNCHANGED))

    return [
        {
            "slices": str(step.n_slices),
            "kept": "yes" if step.kept else "no",
            "next slice": cell(step.ndcg, 4),
            "earlier users": cell(step.earlier, 4),
            "CPU s": cell(step.fit_cpu_s, 0),
        }
        for step in steps
    ]
