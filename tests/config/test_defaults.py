"""Defaults live in constructors: whatever conf/ builds can be made without a configuration, and the configuration says the same."""

import inspect
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import mmrec.conf
import pytest
import yaml
from omegaconf import DictConfig, OmegaConf

from mmrec.config.build import target
from mmrec.config.values import read_model
from mmrec.testing.discovery import find_models

CONF = Path(next(iter(mmrec.conf.__path__)))
MODELS = sorted(path.stem for path in (CONF / "model").glob("*.yaml"))
GIVEN_LATER = {"spec"}
CHOSEN_OTHERWISE = {"ablation", "baselines", "board", "experiment", "model"}
"""Folders whose files say otherwise than constructors on purpose; `model` also has tests of its own."""
OTHERWISE = {
    "task/next_item.yaml": {"history"},
    "task/multi.yaml": {"history", "tasks", "groups", "embedding_lr"},
    "few_shot/fomaml.yaml": {"first_order"},
    "time/long_short.yaml": {"long_short"},
    "user_text/chinese.yaml": {"template"},
}
"""Arguments in which a choice differs from the constructor that it shares with another choice."""
OTHERS = ("lightning.", "torch.")
"""Packages whose constructors are not ours."""
WITHOUT_DEFAULT = {
    "amazon_reviews": {"category", "cache"},
    "BestLinear": {"models"},
    "BertTextEncoder": {"name", "path_or_name", "revision"},
    "ClipImageEncoder": {"architecture", "pretrained", "revision"},
    "ClipTextEncoder": {"architecture", "pretrained", "revision"},
    "movielens_1m": {"cache", "url", "sha256"},
    "movielens_latest_small": {"cache", "url", "sha256"},
    "read_folder": {"path"},
    "read_kgat": {"path"},
    "read_mmrec_toolbox": {"path"},
    "read_recbole": {"path"},
}
"""Arguments that a person, or a choice among several of one constructor, has to name: places, pinned files, and which weights."""
OF_THE_WEIGHTS = {"BertTextEncoder": {"pooling", "prompt"}}
"""Arguments with which weights were trained, whatever the default is."""
_SPECIAL = {"_target_", "_partial_", "defaults"}


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Whatever has a `_target_`, at any depth."""
    if isinstance(value, dict):
        if "_target_" in value:
            yield value
        for child in value.values():
            yield from nodes(child)
    elif isinstance(value, list):
        for child in value:
            yield from nodes(child)


def ours() -> list[Any]:
    """Every node of conf/ that one of our constructors is called with, under `file target`."""
    found = []
    for path in sorted(CONF.rglob("*.yaml")):
        name = path.relative_to(CONF)
        if name.parts[0] not in CHOSEN_OTHERWISE:
            for node in nodes(yaml.safe_load(path.read_text(encoding="utf-8"))):
                if not node["_target_"].startswith(OTHERS):
                    node = {key: value for key, value in node.items() if key not in OTHERWISE.get(str(name), set())}
                    found.append(pytest.param(node, id=f"{name} {node['_target_'].rpartition('.')[2]}"))
    return found


def constructor(node: dict[str, Any]) -> Callable[..., Any]:
    """What the node's `_target_` names."""
    module, _, name = node["_target_"].rpartition(".")
    found: Callable[..., Any] = getattr(import_module(module), name)
    return found


def default(call: Callable[..., Any], name: str) -> Any:
    """The default of an argument; None of one that `**more: Unpack[…]` stands for, as it is left out."""
    parameters = inspect.signature(call).parameters
    if name not in parameters and any(one.kind is one.VAR_KEYWORD for one in parameters.values()):
        return None
    return parameters[name].default


def said(value: Any) -> Any:
    """A value as YAML has it: lists for tuples, and None for what holds nothing but keys that may be given a value."""
    if isinstance(value, dict):
        return {name: one for name, child in value.items() if (one := said(child)) is not None} or None
    return (list(value) or None) if isinstance(value, list | tuple) else value


def test_nodes_of_every_group_are_found() -> None:
    groups = {str(one.id).partition("/")[0] for one in ours()}
    assert {"backbone", "data", "fusion", "kg_encoder", "linear", "loss", "split", "task", "trainer", "trend"} <= groups
    assert "train.yaml TabularDataModule" in {one.id for one in ours()}
    assert "data/limits/default.yaml Limits" in {one.id for one in ours()}


@pytest.mark.parametrize("node", ours())
def test_a_configuration_says_what_its_constructor_does(node: dict[str, Any]) -> None:
    call = constructor(node)
    said_elsewhere = WITHOUT_DEFAULT.get(call.__name__, set()) | OF_THE_WEIGHTS.get(call.__name__, set())
    for name in node.keys() - _SPECIAL - said_elsewhere:
        value, without = node[name], default(call, name)
        assert without is not inspect.Parameter.empty, f"{name} has no default"
        if isinstance(value, dict) and "_target_" in value:
            assert without == constructor(value)(), name
        elif "${" not in str(value):  # else it follows from another key
            assert said(value) == said(without), name


def test_what_has_to_be_named_has_no_default() -> None:
    """So that the list of exceptions does not outlive its reasons."""
    by_name = {constructor(one.values[0]).__name__: one.values[0] for one in ours()}
    for name, arguments in WITHOUT_DEFAULT.items():
        parameters = inspect.signature(constructor(by_name[name])).parameters
        assert all(parameters[argument].default is inspect.Parameter.empty for argument in arguments), name


@pytest.mark.parametrize("model", MODELS)
def test_a_model_is_configured_as_its_constructor_has_it(model: str, compose: Callable[..., DictConfig]) -> None:
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
