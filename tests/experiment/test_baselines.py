"""mmrec.experiment.baselines: one line a baseline; what the data cannot feed is left out, what was tuned before is not tuned again."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from omegaconf import DictConfig, OmegaConf, open_dict

from mmrec.config.settings import candidate, training_settings
from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.experiment.baselines import chosen, tune_baseline
from mmrec.experiment.tuning.search import Tuned
from mmrec.files.progress import Update, progress_told
from mmrec.types import DatasetSpec, Interactions

KIND = torch.rand(30, 12, generator=torch.Generator().manual_seed(0))
SPEC = DatasetSpec(30, 12, Interactions(*(KIND < 0.3).nonzero().unbind(1)))
TRAIN, HELD_OUT = (InteractionMatrix.from_pairs(*part.nonzero().unbind(1), 30, 12) for part in (KIND < 0.3, KIND > 0.8))
VALID = EvaluationSet.build(TRAIN, HELD_OUT)


@pytest.fixture
def cfg(compose: Callable[..., DictConfig], tmp_path: Path) -> DictConfig:
    return compose("baselines=all", f"paths.cache={tmp_path}")


def tune(cfg: DictConfig, name: str) -> Tuned | None:
    return tune_baseline(candidate(cfg, name), training_settings(cfg, cfg.seed), SPEC, VALID)


def test_one_line_and_the_second_time_no_search(cfg: DictConfig, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    first, second = (tune(cfg, "ease") for _ in range(2))
    said = caplog.messages
    assert len(said) == 2 and "best of 11 {'regularization'" in said[0] and "best of 11, tuned before {'regularization'" in said[1]
    assert torch.equal(first.scorer.score_users(torch.arange(30)), second.scorer.score_users(torch.arange(30)))
    assert chosen(first) == chosen(second) == first.parameters | {"n_trials": 11}


def test_what_the_data_cannot_feed_is_left_out(cfg: DictConfig, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    for name, lack in {"recent_popularity": "a column `timestamp`", "content_knn_image": "no image features"}.items():
        assert tune(cfg, name) is None
        said = caplog.messages[-1]
        assert said.startswith(f"{name}: left out, ") and lack in said


def test_nothing_to_choose_is_nothing_chosen(cfg: DictConfig) -> None:
    assert chosen(tune(cfg, "popularity")) == {}


def test_every_baseline_but_those_that_lack_data_is_tuned(cfg: DictConfig) -> None:
    for name, node in cfg.baselines.items():
        if "n_trials" in node:
            node.n_trials = 2
        if "batch_of" in node:
            node.space.n_epochs = [2]
        best = tune(cfg, name)
        assert best is None or best.scorer.score_users(torch.arange(30)).shape == (30, 12), name


def test_progress_tells_the_settings_tried_and_an_edge_is_said(cfg: DictConfig, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    told: list[tuple[str, int, int | None]] = []

    @contextmanager
    def hook(label: str, unit: str) -> Iterator[Update]:
        yield lambda done, total: told.append((label, done, total))

    space = {"space": {"n_neighbors": [1, 2]}, "n_trials": 2, "capped": ["n_neighbors"]}
    with open_dict(cfg):
        cfg.baselines.item_knn = OmegaConf.merge({**cfg.baselines.item_knn, "space": None}, space)
    with progress_told(hook):
        best = tune(cfg, "item_knn")
    assert told == [("item_knn: settings tried", 0, 2), ("item_knn: settings tried", 1, 2)]
    assert caplog.messages[-1].endswith("; on the edge of what was tried: n_neighbors")
    assert chosen(best)["on_the_edge"] == ["n_neighbors"]
