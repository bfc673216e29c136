"""mmrec.experiment.baselines: one line a baseline; what the data cannot feed is left out, what was tuned before is not tuned again."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from omegaconf import DictConfig

from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.experiment.baselines import chosen, tune_baseline
from mmrec.types import DatasetSpec, Interactions

KIND = torch.rand(30, 12, generator=torch.Generator().manual_seed(0))
SPEC = DatasetSpec(30, 12, Interactions(*(KIND < 0.3).nonzero().unbind(1)))
TRAIN, HELD_OUT = (InteractionMatrix.from_pairs(*part.nonzero().unbind(1), 30, 12) for part in (KIND < 0.3, KIND > 0.8))
VALID = EvaluationSet.build(TRAIN, HELD_OUT)


@pytest.fixture
def cfg(compose: Callable[..., DictConfig], tmp_path: Path) -> DictConfig:
    return compose("baselines=all", f"paths.cache={tmp_path}")


def test_one_line_and_the_second_time_no_search(cfg: DictConfig, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = (tune_baseline(cfg, "ease", SPEC, VALID) for _ in range(2))
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2 and "best of 6 {'regularization'" in said[0] and "best of 6, tuned before {'regularization'" in said[1]
    assert torch.equal(first.scorer.score_users(torch.arange(30)), second.scorer.score_users(torch.arange(30)))
    assert chosen(first) == chosen(second) == first.parameters | {"n_trials": 6}


def test_what_the_data_cannot_feed_is_left_out(cfg: DictConfig, capsys: pytest.CaptureFixture[str]) -> None:
    for name, lack in {"recent_popularity": "a column `timestamp`", "content_knn_image": "no image features"}.items():
        assert tune_baseline(cfg, name, SPEC, VALID) is None
        said = capsys.readouterr().err
        assert said.startswith(f"{name}: left out, ") and lack in said


def test_nothing_to_choose_is_nothing_chosen(cfg: DictConfig) -> None:
    assert chosen(tune_baseline(cfg, "popularity", SPEC, VALID)) == {}


def test_every_baseline_but_those_that_lack_data_is_tuned(cfg: DictConfig) -> None:
    for name, node in cfg.baselines.items():
        if "n_trials" in node:
            node.n_trials = 2
        if "batch_of" in node:
            node.space.n_epochs = [2]
        best = tune_baseline(cfg, name, SPEC, VALID)
        assert best is None or best.scorer.score_users(torch.arange(30)).shape == (30, 12), name
