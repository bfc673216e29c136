"""Defaults live in constructors: a model can be made without a configuration, and conf/model/ says the same."""

import inspect
from collections.abc import Callable
from pathlib import Path

import mmrec.conf
import pytest
from omegaconf import DictConfig, OmegaConf

from mmrec.config import read_model, target
from mmrec.testing.discovery import find_models

MODELS = sorted(path.stem for path in (Path(next(iter(mmrec.conf.__path__))) / "model").glob("*.yaml"))
GIVEN_LATER = {"spec"}


@pytest.mark.parametrize("model", MODELS)
def test_a_configuration_says_what_its_constructor_does(model: str, compose: Callable[..., DictConfig]) -> None:
    cfg = compose(f"model={model}")
    settings, beside = read_model(cfg, "model")
    interpolated = {key for key in settings if OmegaConf.is_interpolation(cfg.model, key)}  # the seed of the run
    defaults = {name: one.default for name, one in inspect.signature(target(cfg, "model")).parameters.items()}
    for key in settings.keys() - interpolated - {"_target_", "_partial_"}:
        assert settings[key] == defaults[key], key
    assert beside["name"] == model


@pytest.mark.parametrize("model", MODELS)
def test_what_is_tried_is_an_argument(model: str, compose: Callable[..., DictConfig]) -> None:
    cfg = compose(f"model={model}")
    settings, beside = read_model(cfg, "model")
    assert set(beside.get("space", {})) <= set(settings)


def test_every_model_has_a_configuration_and_defaults(compose: Callable[..., DictConfig]) -> None:
    assert {target(compose(f"model={model}"), "model") for model in MODELS} == set(find_models())
    for model in find_models():
        without = {name for name, one in inspect.signature(model).parameters.items() if one.default is one.empty}
        assert without <= GIVEN_LATER, model
