"""mmrec.experiment.baselines: one line a baseline; what the data cannot feed is left out, what was tuned before is not tuned again."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from omegaconf import DictConfig, OmegaConf, open_dict

from mmrec.config.settings import candidate, training_settings
from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.experiment.baselines import chosen, expand, tune_baseline, with_settings_of
from mmrec.experiment.tuning.search import Tuned
from mmrec.files.progress import Update, progress_told
from mmrec.files.storage import write_json
from mmrec.models.closed_form.ease import EASE
from mmrec.testing.checkerboard import all_warm_of_ones_colour, spec_of_colours
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


def test_settings_of_another_run_are_taken_without_a_search(cfg: DictConfig, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    write_json(tmp_path / "metrics.json", {"tuned": {"ease": {"regularization": 123.0, "n_trials": 11}, "ials": {"alpha": 2.0}}})
    ease, ials, popularity = with_settings_of(tmp_path, [candidate(cfg, name) for name in ("ease", "ials", "popularity")])
    assert (ials.known, popularity.known) == (None, None), "only one of its parameters is known, and there is nothing to know"
    best = tune_baseline(ease, training_settings(cfg, cfg.seed), SPEC, VALID)
    assert chosen(best) == {"regularization": 123.0} and "with the setting of `tuned_in` {'regularization': 123.0}" in caplog.text
    expected = EASE(regularization=123.0).fit(SPEC).score_users(torch.arange(30))
    assert torch.equal(best.scorer.score_users(torch.arange(30)), expected)


def test_what_the_data_cannot_feed_is_left_out(cfg: DictConfig, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    for name, lack in {"recent_popularity": "a column `timestamp`", "kernel_ridge": "no content of training items"}.items():
        assert tune(cfg, name) is None
        said = caplog.messages[-1]
        assert said.startswith(f"{name}: left out, ") and lack in said


def test_nothing_to_choose_is_nothing_chosen(cfg: DictConfig) -> None:
    assert chosen(tune(cfg, "popularity")) == {}


def test_every_baseline_but_those_that_lack_data_is_tuned(cfg: DictConfig) -> None:
    for name, node in cfg.baselines.items():
        if name == "content_knn" or name.endswith("_each"):
            assert not expand([candidate(cfg, name)], SPEC, VALID), name  # one a source, and there is none
            continue
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


def test_one_content_baseline_a_source_that_the_data_have(cfg: DictConfig) -> None:
    """Audio vectors too; each is a baseline of its own name, which reads that source."""
    spec = spec_of_colours(all_warm_of_ones_colour())
    spec = replace(spec, features=spec.features | {"audio": spec.features["image"]})
    found = expand([candidate(cfg, "content_knn"), candidate(cfg, "kernel_ridge_each")], spec, VALID)
    sources = ["text", "image", "audio", "kg", "words"]
    names = [f"content_knn_{source}" for source in sources[:4]] + [f"kernel_ridge_{source}" for source in sources]
    assert [one.name for one in found] == names
    assert [one.make().modality for one in found[:4]] == sources[:4] and found[3].fixed["modality"] == "kg"
    assert [one.make(regularization=3.0).sources for one in found[4:]] == [[source] for source in sources]


def test_what_is_for_new_items_alone_stands_where_the_split_holds_out_some(compose: Callable[..., DictConfig], tmp_path: Path) -> None:
    cfg = compose(f"paths.cache={tmp_path}")
    candidates = [candidate(cfg, name) for name in cfg.baselines]
    warm = {one.name for one in expand(candidates, SPEC, VALID)}
    new = InteractionMatrix.from_pairs(torch.tensor([0]), torch.tensor([12]), 30, 13)
    spec = replace(SPEC, n_items=13)
    cold = {one.name for one in expand(candidates, spec, EvaluationSet.build(InteractionMatrix(TRAIN.indptr, TRAIN.indices, 13), new))}
    assert cold - warm == {"random_new_items", "kernel_ridge", "factor_ridge"} and warm < cold and "recent_popularity" in warm


def test_by_default_there_is_a_content_baseline_of_every_vector_modality_and_of_the_graph(
    compose: Callable[..., DictConfig], tmp_path: Path
) -> None:
    cfg = compose(f"paths.cache={tmp_path}")
    spec = spec_of_colours(all_warm_of_ones_colour())
    spec = replace(spec, features=spec.features | {"audio": spec.features["image"]})
    found = {one.name for one in expand([candidate(cfg, name) for name in cfg.baselines], spec, VALID)}
    assert {f"content_knn_{source}" for source in ("text", "image", "audio", "kg")} <= found


def test_a_lift_at_the_end_of_all_that_is_tried_is_reported(cfg: DictConfig) -> None:
    tuned = tune(cfg, "popularity")
    assert tuned is not None and "on_the_edge" not in chosen(tuned)
    assert chosen(tuned._replace(cold_lift=4096.0)) == {"cold_lift": 4096.0, "on_the_edge": ["cold_lift"]}
