"""Whether an item really leaves a user's list if the model is trained again without the removed part of the history.

    python scripts/explain_retrain.py runs/… --users 200 --batch 200       # model=ease, or model=fusion with patience

For each user, one of the k best items is drawn, and `explain_by_history` looks for the smallest part of the history without which it would
not be in the list. These interactions leave the training part, and the model is fitted again with all that is chosen by validation. Users
share a training in batches, since one of each would be too dear: a batch takes few of the interactions, and the part that the others change
in a user's list is measured by two controls. `nothing`: the model is trained again without a change, with another seed (models in closed
form have none, and give the same list). `random`: as many interactions leave, drawn from the same histories.

Printed: how many users have a set, the median size, the milliseconds of processor time of an explanation, and the shares of items that
left the list.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, cast

import mmrec._torchvision

import polars as pl
import torch
from rich.console import Console
from rich.table import Table

import mmrec
from mmrec.data.interactions.histories import Histories
from mmrec.errors import MmrecError
from mmrec.experiment.fit import fit, load_best, quiet_lightning
from mmrec.experiment.measures import largest_k
from mmrec.experiment.models import fit_priors, make_data_module, make_model, make_spec
from mmrec.experiment.run.explain import RunExplainer
from mmrec.experiment.run.ids import mask_of
from mmrec.experiment.run.run import Run
from mmrec.experiment.run_folder.find import find_run
from mmrec.experiment.settings import TrainingSettings
from mmrec.explain.history import CLEARANCE, explain_by_history
from mmrec.files.checkpoint import read_checkpoint
from mmrec.models.recommender import ClosedFormRecommender, TrainedScorer
from mmrec.types import ITEM_ID, USER_ID

SEED = 0


class Case(NamedTuple):
    """A user, one of the best items, and the sets of interactions that leave."""

    user_idx: int
    item_idx: int
    removed: tuple[int, ...]
    """Empty if no set was found."""
    random: tuple[int, ...]
    """As many items of the history, drawn at random."""
    ms: float


def cases_of(explainer: RunExplainer, n_users: int, k: int, clearance: float) -> list[Case]:
    spec, generator = explainer.restored.spec, torch.Generator().manual_seed(SEED)
    histories = Histories.from_events(spec.train, spec.n_users)
    having = (histories.n_events > 1).nonzero().flatten()
    found = []
    for user in having[torch.randperm(len(having), generator=generator)[:n_users]]:
        one = histories.of(user[None])
        last = dict(
            zip(one.item_idx.tolist(), [None] * one.item_idx.numel() if one.timestamp is None else one.timestamp.tolist(), strict=True)
        )
        history, excluded = list(last), mask_of(explainer.seen.rows(user[None])[1], spec.n_items)
        scores = explainer.scorer.score_users(user[None])[0].masked_fill(excluded, -torch.inf)
        item = int(scores.topk(k).indices[torch.randint(k, (), generator=generator)])
        start = time.process_time()
        times = None if one.timestamp is None else {item: int(at) for item, at in last.items() if at is not None}
        removed = explain_by_history(explainer.scorer, history, item, excluded, k, times=times, clearance=clearance).removed
        ms = 1000 * (time.process_time() - start)
        order = torch.randperm(len(history), generator=generator)[: len(removed)].tolist()
        found.append(Case(int(user), item, removed, tuple(history[at] for at in order), ms))
    return found


class Retraining:
    """Trains the model of a run again without some of its training interactions.

    Args:
        run: the run.
        explainer: its explainer, which has what the run was made from.
    """

    def __init__(self, run: Run, explainer: RunExplainer) -> None:
        self.run, self.explainer = run, explainer
        self.settings = run.scorers.saved.evaluation(run.folder)

    def scorer(self, pairs: Sequence[tuple[int, int]], seed: int) -> TrainedScorer:
        """Return the scorer of a model that is trained without these pairs of a user and an item."""
        training = replace(self.settings.training(seed), loggers=lambda _: [], resume=None)
        with tempfile.TemporaryDirectory() as folder:
            self._write_split(Path(folder), pairs)
            return self._trained(training, Path(folder))

    def _write_split(self, folder: Path, pairs: Sequence[tuple[int, int]]) -> None:
        (folder / "split").mkdir()
        users, items = self.run.users[USER_ID], self.run.items[ITEM_ID]
        gone = pl.DataFrame({USER_ID: [users[user] for user, _ in pairs], ITEM_ID: [items[item] for _, item in pairs]})
        for path in sorted((self.run.folder / "split").glob("*.parquet")):
            table = pl.read_parquet(path, glob=False)
            if path.stem == "train" and pairs:
                table = table.join(
                    gone.cast({name: table.schema[name] for name in gone.columns}), [USER_ID, ITEM_ID], "anti", maintain_order="left"
                )
            table.write_parquet(folder / "split" / path.name)

    def _trained(self, training: TrainingSettings, folder: Path) -> TrainedScorer:
        evidence, restored = self.explainer.restored.evidence, self.explainer.restored
        data = make_data_module(training, evidence, folder / "split")
        data.setup("fit")
        spec = make_spec(evidence, data)
        if isinstance(restored.model, ClosedFormRecommender):
            chosen = read_checkpoint(restored.checkpoint / "fitted")["parameters"]
            return cast("ClosedFormRecommender", training.candidate.make(**chosen)).fit(spec).freeze()
        priors = fit_priors(training.model, spec, data.valid_set(), largest_k(training.measures))
        model = make_model(training.model, spec, priors, training.seed)
        fit(training, training.task(model), data, folder / "checkpoints")
        load_best(model, folder / "checkpoints")
        return model.freeze()


def left(explainer: RunExplainer, scorer: TrainedScorer, cases: Sequence[Case], k: int) -> list[bool]:
    """Whether the item of each case is not among the k best of the items that the user has not had."""
    users = torch.tensor([one.user_idx for one in cases])
    scores = scorer.score_users(users)
    row, seen = explainer.seen.rows(users)
    scores[row, seen] = -torch.inf
    best = scores.topk(k, dim=1).indices
    return [one.item_idx not in listed for one, listed in zip(cases, best.tolist(), strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="the run folder")
    parser.add_argument("--users", type=int, default=200, help="the number of users")
    parser.add_argument("--k", type=int, default=10, help="the length of the list")
    parser.add_argument("--clearance", type=float, default=CLEARANCE, help="how far the item must fall below the list, in deviations")
    parser.add_argument("--batch", type=int, default=50, help="the number of users who share a training")
    parser.add_argument("--no-retraining", action="store_true", help="only look for the sets")
    arguments = parser.parse_args()
    quiet_lightning()
    try:
        run = mmrec.open_run(find_run(arguments.run))
        explainer = RunExplainer(run.scorers.restored(), run.items, run.interactions("train", "valid", "test"))
    except MmrecError as error:
        parser.error(str(error))
    cases = cases_of(explainer, arguments.users, arguments.k, arguments.clearance)
    found = [one for one in cases if one.removed]
    sizes, ms = [len(one.removed) for one in found], [one.ms for one in cases]
    print(f"{len(cases)} users, {len(found)} with a set; median size {statistics.median(sizes):g}, mean {statistics.mean(sizes):.1f}")
    print(f"{statistics.median(ms):.0f} ms of processor time per explanation (median), {statistics.mean(ms):.0f} (mean)", flush=True)
    if arguments.no_retraining:
        return
    training, seed = Retraining(run, explainer), explainer.restored.training.seed
    unchanged: TrainedScorer | None = None
    gone: dict[str, list[bool]] = {"the set": [], "random": [], "nothing": []}
    for first in range(0, len(found), arguments.batch):
        batch = found[first : first + arguments.batch]
        removals = {
            "the set": [(one.user_idx, item) for one in batch for item in one.removed],
            "random": [(one.user_idx, item) for one in batch for item in one.random],
            "nothing": [],
        }
        unchanged = unchanged or training.scorer([], seed + 1)
        for name, pairs in removals.items():
            scorer = training.scorer(pairs, seed) if pairs else unchanged
            gone[name] += left(explainer, scorer, batch, arguments.k)
        n = len(removals["the set"])
        print(f"batch of {len(batch)} users: {n} of {len(explainer.restored.spec.train.user_idx):,} interactions leave", flush=True)
    table = Table("what leaves the training part", "users", "items that left the list")
    for name, those in gone.items():
        table.add_row(name, str(len(those)), f"{statistics.mean(those):.1%}")
    Console().print(table)


if __name__ == "__main__":
    main()
