"""mmrec.config.settings: typed values without a configuration in them, and what follows the seed follows it in saved runs, too."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from omegaconf import Container, DictConfig, OmegaConf

from mmrec.config.places import kept_config
from mmrec.config.settings import train_settings, training_settings
from mmrec.data.interactions.index import Index
from mmrec.errors import ConfigError
from mmrec.models.closed_form.ease import EASE
from mmrec.models.multimodal.fusion import FusionRecommender
from mmrec.types import Dataset

Compose = Callable[..., DictConfig]


def values(node: Any) -> Iterator[Any]:
    """All that settings hold, at any depth, factories excepted."""
    yield node
    if dataclasses.is_dataclass(node) and not isinstance(node, type):
        for one in dataclasses.fields(node):
            yield from values(getattr(node, one.name))
    elif isinstance(node, Mapping):
        yield from (one for child in node.values() for one in values(child))
    elif isinstance(node, list | tuple):
        yield from (one for child in node for one in values(child))


def test_no_configuration_is_among_them(compose: Compose, tmp_path: Path) -> None:
    settings = train_settings(compose("graph.item_columns=[genre]", f"paths.runs={tmp_path}", f"paths.cache={tmp_path}"))
    held = [*values(settings), *values(settings.training(settings.seeds[0]))]
    assert [one for one in held if isinstance(one, Container)] == []
    assert {"ease", "item_knn"} <= {one.name for one in settings.baselines} and settings.evidence.graph.item_columns == ["genre"]


def test_nothing_can_be_changed_and_the_configuration_is_the_callers(compose: Compose, tmp_path: Path) -> None:
    cfg = compose(f"paths.runs={tmp_path}")
    before = OmegaConf.to_yaml(cfg)
    settings = train_settings(cfg)
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.auc = False
    assert OmegaConf.to_yaml(cfg) == before and settings.run_dir.parent == tmp_path and not settings.run_dir.exists()


def test_the_model_is_named_and_may_be_one_in_closed_form(compose: Compose) -> None:
    fusion, ease = (training_settings(compose(f"model={name}"), 7) for name in ("fusion", "ease"))
    assert (fusion.model.name, fusion.model.kind) == ("fusion", FusionRecommender)
    assert (ease.model.name, ease.model.kind) == ("ease", EASE)
    assert ease.candidate.n_trials == 11 and ease.candidate.make(regularization=3.0).regularization == 3.0
    with pytest.raises(ConfigError, match=r"^model\._target_: expected a ClosedFormRecommender or a GradientRecommender, found"):
        training_settings(compose("model._target_=mmrec.nn.backbones.item_table.ItemTable"), 7)


def test_a_baseline_that_is_the_model_itself_is_not_measured_twice(compose: Compose, tmp_path: Path) -> None:
    settings = train_settings(compose("model=ease", "baselines=[popularity,ease]", f"paths.runs={tmp_path}"))
    assert [one.name for one in settings.baselines] == ["popularity"]


def index() -> Index:
    pairs = pl.DataFrame({"user_id": ["u"], "item_id": ["i"]})
    return Index.build(Dataset("one", Path(), pairs, pairs.select("item_id"), text_columns=()), seed=0)


@pytest.mark.parametrize("is_saved", [False, True])
def test_what_is_drawn_follows_the_seed_of_the_training(compose: Compose, is_saved: bool) -> None:
    """Also in a saved configuration, where numbers have taken the place of references to the seed."""
    cfg = compose("seed=5", "run_dir=here")
    training = training_settings(kept_config(cfg) if is_saved else cfg, 6, is_saved)
    assert training.seed == 6
    assert training.data_module(split=Path(), index=index()).settings.seed == 6
    assert {make().seed for make in training.model.priors["linear"]().models.values()} == {6}


def test_a_seed_of_its_own_stays(compose: Compose) -> None:
    cfg = kept_config(compose("seed=5", "run_dir=here", "data_module.seed=9"))
    assert training_settings(cfg, 6, is_saved=True).data_module(split=Path(), index=index()).settings.seed == 9
