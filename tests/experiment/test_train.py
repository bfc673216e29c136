"""mmrec.experiment.train and evaluate from Python: settings written by hand, no configuration, and a run folder as any other."""

import json
import logging
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from lightning.pytorch import Trainer

from data_modules.tabular import TabularDataModule
from mmrec.data.folder.read import read_folder
from mmrec.data.interactions.filter import Filter
from mmrec.data.interactions.split import random_ratio
from mmrec.errors import ConfigError
from mmrec.experiment.evaluate import evaluate
from mmrec.experiment.settings import (
    Candidate,
    EvaluateSettings,
    EvidenceSettings,
    FeatureSettings,
    ModelSettings,
    SelectionSettings,
    TrainingSettings,
    TrainSettings,
)
from mmrec.experiment.train import train
from mmrec.losses import bpr
from mmrec.models.closed_form.ease import EASE
from mmrec.models.collaborative.matrix_factorization import MatrixFactorizationRecommender
from mmrec.models.recommender import Recommender
from mmrec.tasks.ranking import RankingTask
from mmrec.tasks.task import declared_metrics

NOTHING = dict.fromkeys(("text", "image", "kg"), False)
KS = [5]


def make_task(model: Recommender, seed: int) -> RankingTask:
    return RankingTask(model, partial(bpr, temperature=1.0), partial(torch.optim.Adam, lr=0.01), 0.05, KS, seed)


def training(cache: Path, seed: int) -> TrainingSettings:
    make = partial(MatrixFactorizationRecommender, embedding_dim=4, sparse_gradients=False)
    batches = {"batch_of": "users", "batch_size": 16, "n_negatives": 8, "shared_negatives": True, "n_workers": 0}
    bare = {"accelerator": "cpu", "devices": 1, "max_epochs": 1, "enable_model_summary": False, "num_sanity_val_steps": 0}
    return TrainingSettings(
        seed=seed,
        model=ModelSettings("mine", MatrixFactorizationRecommender, make, parts={}, priors={}),
        candidate=Candidate("mine", make, {}),
        data_module=partial(TabularDataModule, seed=seed, **batches),
        task=partial(make_task, seed=seed),
        task_kind=RankingTask,
        trainer=partial(Trainer, log_every_n_steps=1, use_distributed_sampler=False, **bare),
        loggers=lambda version: [],
        selection=SelectionSettings("val/ndcg@5", patience=1, cache=cache),
        measures=declared_metrics(RankingTask, {"ks": KS}),
    )


@pytest.fixture
def settings(shop_folder: Path, tmp_path: Path) -> TrainSettings:
    evidence = EvidenceSettings(
        dataset=partial(read_folder, str(shop_folder)),
        split=partial(random_ratio, valid_ratio=0.1, test_ratio=0.1, seed=1),
        filter=Filter(None, "first", 1, 1),
        allowed=NOTHING,
        features=FeatureSettings(encoders={}, cache=tmp_path / "cache"),
    )
    ease = Candidate("ease", EASE, {"model": "ease"}, {"regularization": [10.0, 100.0]}, n_trials=2, capped=("regularization",))
    return TrainSettings(tmp_path / "run", evidence, [1, 2], partial(training, tmp_path / "cache"), [ease], config="by: hand\n")


def test_a_run_without_a_configuration(
    settings: TrainSettings, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.INFO)
    run = train(settings)
    assert run == settings.run_dir and (run / "config.yaml").read_text() == "by: hand\n"
    about, metrics = (json.loads((run / name).read_text(encoding="utf-8")) for name in ("run.json", "metrics.json"))
    assert about["model"] == "mine" and about["seeds"] == [1, 2]
    assert list(metrics["models"]) == ["mine", "ease"] and metrics["tuned"]["ease"]["n_trials"] == 2
    assert any(message.startswith("epoch 0: loss") for message in caplog.messages)
    assert capsys.readouterr() == ("", "")  # the library tells its loggers, and nobody else

    again = evaluate(EvaluateSettings(run, settings.evidence, settings.training))
    assert again.found and again.differing == []
    with pytest.raises(ConfigError, match=r"^run_dir: .* holds a finished run"):
        train(settings)
    assert train(replace(settings, run_dir=run.parent / "other")).is_dir()
