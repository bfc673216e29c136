"""What an epoch of training costs beside the tensor mathematics it cannot do without, and beside RecBole's.

    python scripts/bench_training.py                                     # fusion and lightgcn on MovieLens-100K: five minutes on one core
    python scripts/bench_training.py --threads 2 --models lightgcn
    python scripts/bench_training.py --models lightgcn --peer-python PATH     # PATH: python of an environment that has recbole 1.2.1

The product is what `mmrec train` runs: configuration, data module, task and Lightning trainer with its callbacks and loggers. Its epoch
counts all but validation; drawing the batches, checkpoints and logs are in it. The bare loop is a copy of the same model with an optimizer
of its own that runs over the same batches, made beforehand: forward, loss, backward, step. RecBole is its own training loop over a split
of the same rows, and its own full ranking of the test users. All take turns epoch by epoch; figures are medians, CPU seconds are those of
all threads. Batches are as large as the model's configuration says, and RecBole's as LightGCN's.
"""

import argparse
import copy
import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import mmrec  # isort: skip  # noqa: F401  first: lightning imports torchvision, and mmrec looks after one that does not fit torch
import hydra
import polars as pl
import torch
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from omegaconf import DictConfig
from rich.console import Console
from rich.table import Table

from mmrec.cli.fit import make_trainer
from mmrec.cli.prepare import fit_priors, load_evidence, make_data_module, make_model, make_spec, make_split, quiet_lightning
from mmrec.config import build
from mmrec.metrics.full_ranking import rank_and_evaluate
from mmrec.models.recommender import EpochRecommender
from mmrec.schemas import register_schemas

WARM_UP = 2
KS = [10, 20]


class Seconds(NamedTuple):
    """Of all threads of a process, and on the clock."""

    cpu: float
    wall: float

    def __add__(self, other: "Seconds") -> "Seconds":  # type: ignore[override]
        return Seconds(self.cpu + other.cpu, self.wall + other.wall)

    def __sub__(self, other: "Seconds") -> "Seconds":
        return Seconds(self.cpu - other.cpu, self.wall - other.wall)


Times = dict[str, list[Seconds]]


def now() -> Seconds:
    return Seconds(time.process_time(), time.perf_counter())


def timed(work: Callable[[], object]) -> Seconds:
    start = now()
    work()
    return now() - start


class BareLoop:
    """Forward, loss, backward and step, on a copy of the task's model."""

    def __init__(self, cfg: DictConfig, task: LightningModule) -> None:
        model = copy.deepcopy(task.model).train()
        self.model, self.loss = model, task.loss
        self.optimizer = build(cfg, "task")(model=model, loss=task.loss, optimizer=build(cfg, "optimizer")).configure_optimizers()
        self.generator = torch.Generator().manual_seed(0)

    def epoch(self, batches: list) -> None:
        if isinstance(self.model, EpochRecommender):
            self.model.start_epoch(self.generator)
        for batch in batches:
            self.optimizer.zero_grad()
            scores = self.model.score_batch(batch, self.generator)
            row = batch.row[: len(scores.positive)]  # none where a model learns without negatives
            (self.loss(scores.positive, row, scores.negative, batch.valid) + scores.extra).backward()
            self.optimizer.step()


class RecBole:
    """RecBole in another interpreter: `recbole_peer.py` reads a split and answers each word with a line of JSON."""

    def __init__(self, python: str, split_dir: Path, threads: int) -> None:
        folder = split_dir.parent / "recbole"
        (folder / "ml").mkdir(parents=True)
        for part in ("train", "valid", "test"):
            table = pl.read_parquet(split_dir / f"{part}.parquet", columns=["user_id", "item_id"])
            table.rename("{}:token".format).write_csv(folder / "ml" / f"ml.{part}.inter", separator="\t")
        command = [python, str(Path(__file__).with_name("recbole_peer.py")), str(folder), str(threads)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.turn("train")  # warm up

    def turn(self, work: str) -> Seconds:
        """The seconds of one epoch of `train`, or of one `evaluate` of the test part."""
        self._process.stdin.write(f"{work}\n")
        self._process.stdin.flush()
        return Seconds(**json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()


class Turns(Callback):
    """Before each epoch of the product it lets the others have theirs; the product's lasts to the next one's start, without validation."""

    def __init__(self, data: LightningDataModule, bare: BareLoop, peer: RecBole | None) -> None:
        self.data, self.bare, self.peer, self.times = data, bare, peer, {"bare": [], "mmrec": [], "mmrec, steps alone": []}
        self.start: Seconds | None = None

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._finish()
        batches = list(self.data.train_dataloader().batches)  # the whole epoch: the loader itself goes on where the trainer stands
        self.times["bare"].append(timed(lambda: self.bare.epoch(batches)))
        if self.peer:
            self.times.setdefault("RecBole", []).append(self.peer.turn("train"))
        self.start = now()

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.paused = now()
        self.times["mmrec, steps alone"].append(self.paused - self.start)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.start = self.start + (now() - self.paused)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._finish()

    def _finish(self) -> None:
        if self.start is not None:
            self.times["mmrec"].append(now() - self.start)


def compose(model: str, epochs: int, folder: Path) -> DictConfig:
    """The configuration of `mmrec train model=… data=movielens_100k` for that many epochs."""
    register_schemas()
    with hydra.initialize_config_module("mmrec.conf", version_base="1.3"):
        overrides = [f"model={model}", "data=movielens_100k", f"trainer.max_epochs={epochs}", f"run_dir={folder}"]
        return hydra.compose("train", [*overrides, f"selection.patience={epochs}"])


def measure(cfg: DictConfig, peer_python: str | None, threads: int) -> dict[str, Times]:
    """Seconds of every epoch of every system; and of full rankings of the test part, where there is a peer."""
    quiet_lightning()
    folder = Path(cfg.run_dir)
    evidence = load_evidence(cfg)
    make_split(cfg, evidence, folder / "split")
    data = make_data_module(cfg, evidence, folder / "split")
    data.setup("fit")
    spec = make_spec(evidence, data)
    model = make_model(cfg, spec, fit_priors(cfg, spec, data.valid_set()))
    task = build(cfg, "task")(model=model, loss=build(cfg, "loss"), optimizer=build(cfg, "optimizer"))
    trainer = make_trainer(cfg, folder / "checkpoints")
    with recbole(peer_python, folder / "split", threads) as peer:
        turns = Turns(data, BareLoop(cfg, task), peer)
        trainer.callbacks.insert(0, turns)
        trainer.fit(task, datamodule=data)
        times = {"training": {name: seconds[WARM_UP:] for name, seconds in turns.times.items()}}
        if peer:
            data.setup("test")
            times["ranking"] = measure_ranking(task, data, peer)
    return times


@contextmanager
def recbole(python: str | None, split_dir: Path, threads: int) -> Iterator[RecBole | None]:
    peer = RecBole(python, split_dir, threads) if python else None
    yield peer
    if peer:
        peer.close()


def measure_ranking(task: LightningModule, data: LightningDataModule, peer: RecBole) -> Times:
    """From trained vectors to all metrics of the test users, turn about."""
    test, times = data.test_set(), {"mmrec": [], "RecBole": []}
    for _ in range(WARM_UP + 5):
        times["mmrec"].append(timed(lambda: rank_and_evaluate(task.model.freeze(), test, KS)))
        times["RecBole"].append(peer.turn("evaluate"))
        times.setdefault("RecBole, one batch", []).append(peer.turn("evaluate_at_once"))
    return {name: seconds[WARM_UP:] for name, seconds in times.items()}


def show(title: str, times: Times, beside: str) -> None:
    """A table of medians, and how many times those of `beside` each is."""
    table = Table("", "CPU s", "wall s", "CPU ratio", "wall ratio", title=title)
    medians = {name: Seconds(*(statistics.median(column) for column in zip(*seconds, strict=True))) for name, seconds in times.items()}
    base = medians[beside]
    for name, each in medians.items():
        table.add_row(name, f"{each.cpu:.4f}", f"{each.wall:.4f}", f"{each.cpu / base.cpu:.3f}", f"{each.wall / base.wall:.3f}")
    Console().print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["fusion", "lightgcn"])
    parser.add_argument("--epochs", type=int, default=15, help=f"measured, after {WARM_UP} to warm up")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--peer-python", metavar="PATH", help="an interpreter that has recbole, to measure its LightGCN too")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    for model in arguments.models:
        with tempfile.TemporaryDirectory() as folder:
            cfg = compose(model, arguments.epochs + WARM_UP, Path(folder))
            times = measure(cfg, arguments.peer_python if model == "lightgcn" else None, arguments.threads)
        for what, seconds in times.items():
            title = f"{model}, {what}: MovieLens-100K, {arguments.threads} threads, medians of {len(seconds['mmrec'])}"
            show(title, seconds, "bare" if what == "training" else "mmrec")


if __name__ == "__main__":
    main()
