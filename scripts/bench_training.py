"""What an epoch of training costs beside the tensor mathematics it cannot do without, and beside that of peers.

    python scripts/bench_training.py                                     # fusion and lightgcn on MovieLens-100K: five minutes on one core
    python scripts/bench_training.py --threads 2 --models lightgcn
    python scripts/bench_training.py --models lightgcn --recbole PYTHON                      # of an environment that has recbole 1.2.1
    python scripts/bench_training.py --models freedom bm3 --mmrec-toolbox PYTHON CHECKOUT    # its interpreter, a clone of enoche/MMRec

The product is what `mmrec train` runs: configuration, data module, task and Lightning trainer with its callbacks and loggers. Its epoch
counts all but validation; drawing the batches, checkpoints and logs are in it. The bare loop is a copy of the same model with an optimizer
of its own that runs over the same batches, made beforehand: forward, loss, backward, step. A peer is its own training loop over the same
training rows, with the model's sizes: RecBole's LightGCN, which then ranks the test users in full, too; the MMRec toolbox's FREEDOM and
BM3 on the same features, which it goes on training; of texts alone on MovieLens-100K, of texts and pictures with `--data demo_shop`, where

    --overrides image_encoder=tiny_clip encoders.image.pretrained=null

draws the encoder of pictures at random, which is as fast. All take turns epoch by epoch; figures are medians, CPU seconds are those of all
threads. Batches are as large as the model's configuration says, and RecBole's as LightGCN's.
"""

import argparse
import copy
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import mmrec._torchvision  # noqa: F401  before all that may reach torchvision

import hydra
import torch
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from omegaconf import DictConfig
from peers import Peer, Seconds, start_mmrec_toolbox, start_recbole
from rich.console import Console
from rich.table import Table

from mmrec.config.build import build
from mmrec.config.settings import evidence_settings, training_settings
from mmrec.experiment.evidence import load_evidence, make_split
from mmrec.experiment.fit import make_trainer, quiet_lightning
from mmrec.experiment.measures import largest_k
from mmrec.experiment.models import fit_priors, make_data_module, make_model, make_spec
from mmrec.metrics.full_ranking import rank_and_evaluate
from mmrec.models.recommender import EpochRecommender
from mmrec.schemas import register_schemas
from mmrec.types import DatasetSpec

WARM_UP = 2
KS = [10, 20]

Times = dict[str, list[Seconds]]
StartPeer = Callable[[DictConfig, DatasetSpec], Peer]


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


class Turns(Callback):
    """Before each epoch of the product it lets the others have theirs; the product's lasts to the next one's start, without validation."""

    def __init__(self, data: LightningDataModule, bare: BareLoop, peer: Peer | None) -> None:
        self.data, self.bare, self.peer, self.times = data, bare, peer, {"bare": [], "mmrec": [], "mmrec, steps alone": []}
        self.start: Seconds | None = None

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._finish()
        batches = list(self.data.train_dataloader().batches)  # the whole epoch: the loader itself goes on where the trainer stands
        self.times["bare"].append(timed(lambda: self.bare.epoch(batches)))
        if self.peer:
            self.times.setdefault(self.peer.name, []).append(self.peer.turn("train"))
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


def compose(model: str, data: str, epochs: int, folder: Path, overrides: list[str]) -> DictConfig:
    """The configuration of `mmrec train model=… data=…` for that many epochs."""
    register_schemas()
    with hydra.initialize_config_module("mmrec.conf", version_base="1.3"):
        fixed = [f"model={model}", f"data={data}", f"trainer.max_epochs={epochs}", f"run_dir={folder}", f"selection.patience={epochs}"]
        return hydra.compose("train", [*fixed, *overrides])


def measure(cfg: DictConfig, start_peer: StartPeer | None) -> dict[str, Times]:
    """Seconds of every epoch of every system; and of full rankings of the test part, where there is a peer that ranks."""
    quiet_lightning()
    folder = Path(cfg.run_dir)
    settings, training = evidence_settings(cfg), training_settings(cfg, cfg.seed)
    evidence = load_evidence(settings)
    make_split(settings, evidence, folder / "split")
    data = make_data_module(training, evidence, folder / "split")
    data.setup("fit")
    spec = make_spec(evidence, data)
    priors = fit_priors(training.model, spec, data.valid_set(), largest_k(training.measures))
    task = training.task(make_model(training.model, spec, priors, training.seed))
    trainer = make_trainer(training, folder / "checkpoints")
    with start_peer(cfg, spec) if start_peer else nullcontext() as peer:
        turns = Turns(data, BareLoop(cfg, task), peer)
        trainer.callbacks.insert(0, turns)
        trainer.fit(task, datamodule=data)
        times = {"training": {name: seconds[WARM_UP:] for name, seconds in turns.times.items()}}
        if peer and peer.rankings:
            data.setup("test")
            times["ranking"] = measure_ranking(task, data, peer)
    return times


def measure_ranking(task: LightningModule, data: LightningDataModule, peer: Peer) -> Times:
    """From trained vectors to all metrics of the test users, turn about."""
    test, times = data.test_set(), {name: [] for name in ("mmrec", *peer.rankings)}
    for _ in range(WARM_UP + 15):
        times["mmrec"].append(timed(lambda: rank_and_evaluate(task.model.freeze(), test, KS)))
        for name, word in peer.rankings.items():
            times[name].append(peer.turn(word))
    return {name: seconds[WARM_UP:] for name, seconds in times.items()}


def show(title: str, times: Times) -> None:
    """A table of medians, and how many times the CPU seconds of the bare loop and of the product each is."""
    beside = [name for name in ("bare", "mmrec") if name in times]
    table = Table("", "CPU s", "wall s", *(f"CPU / {name}" for name in beside), title=title)
    medians = {name: Seconds(*(statistics.median(column) for column in zip(*seconds, strict=True))) for name, seconds in times.items()}
    for name, each in medians.items():
        table.add_row(name, f"{each.cpu:.4f}", f"{each.wall:.4f}", *(f"{each.cpu / medians[base].cpu:.3f}" for base in beside))
    Console().print(table)


def peer_starters(arguments: argparse.Namespace) -> dict[str, StartPeer]:
    """How to start the peer of each model that has one, as far as its interpreter is given."""
    starters: dict[str, StartPeer] = {}
    if arguments.recbole:
        starters["lightgcn"] = partial(start_recbole, python=arguments.recbole, threads=arguments.threads)
    if arguments.mmrec_toolbox:
        python, checkout = arguments.mmrec_toolbox
        toolbox = partial(start_mmrec_toolbox, python=python, checkout=checkout, threads=arguments.threads)
        starters |= {"freedom": toolbox, "bm3": toolbox}
    return starters


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["fusion", "lightgcn"])
    parser.add_argument("--data", default="movielens_100k")
    parser.add_argument("--overrides", nargs="+", default=[], metavar="KEY=VALUE", help="of the configuration, as `mmrec train` takes them")
    parser.add_argument("--epochs", type=int, default=15, help=f"measured, after {WARM_UP} to warm up")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--recbole", metavar="PYTHON", help="an interpreter that has recbole, to measure its LightGCN too")
    parser.add_argument(
        "--mmrec-toolbox", nargs=2, metavar=("PYTHON", "CHECKOUT"), help="a clone of enoche/MMRec, to measure its FREEDOM and BM3 too"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    starters = peer_starters(arguments)
    for model in arguments.models:
        with tempfile.TemporaryDirectory() as folder:
            cfg = compose(model, arguments.data, arguments.epochs + WARM_UP, Path(folder), arguments.overrides)
            times = measure(cfg, starters.get(model))
        for what, seconds in times.items():
            show(f"{model}, {what}: {arguments.data}, {arguments.threads} threads, medians of {len(seconds['mmrec'])}", seconds)


if __name__ == "__main__":
    main()
