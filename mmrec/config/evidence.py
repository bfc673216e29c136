"""Validate the settings of evidence and encoders, as far as possible from the configuration alone, and read those of tuned encoders."""

from dataclasses import fields
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from mmrec.config.build import build, target
from mmrec.config.values import plain
from mmrec.data.features.counterfactual import changes_of
from mmrec.errors import ConfigError, nearest
from mmrec.experiment.settings import EncoderSettings
from mmrec.extras import needs
from mmrec.models.recommender import REQUIRED, UNUSED
from mmrec.models.tunes_encoders import check_tunes
from mmrec.nn.adapters.augmentation import SPELLING, Augmentation
from mmrec.nn.adapters.tuning import ADALORA, FULL, LORA, NONE, EncoderTraining, Tuning
from mmrec.renames import renamed_key
from mmrec.types import IMAGE, MODALITIES, TEXT, USER_TEXT

_FIXED = "mmrec.data.sources."
"""Sources whose configuration determines all of their evidence; for others it is known once the data are read."""


def check_evidence(cfg: DictConfig) -> None:
    """Raise ConfigError for evidence that the data cannot have, an unknown change, or an invalid encoder."""
    values = plain(cfg)
    for name, value in values["evidence"].items():
        if now := renamed_key(f"evidence.{name}"):
            raise ConfigError(f"evidence.{name}: it has been renamed to `{now}`")
        _check_value(f"evidence.{name}", value, changes_of(name))
    _check_value("further_evidence", values["further_evidence"], changes_of(""))
    data = values["data"]
    if str(data.get("_target_")).startswith(_FIXED) and not {"features", "inputs"} & data.keys():
        for key in ("evidence", "encoders"):
            names = (*MODALITIES, USER_TEXT) if key == "evidence" else MODALITIES
            if unknown := [name for name in values[key] if name not in names]:
                known = [f"{key}.{name}" for name in names]
                raise ConfigError(f"{key}.{unknown[0]}: there is no such key; {nearest(f'{key}.{unknown[0]}', known)}")
    for name, node in values["encoders"].items():
        if not (isinstance(node, dict) and "_target_" in node):
            raise ConfigError(f"encoders.{name}: expected an encoder with its `_target_`, found `{node}`")


def encoder_settings(cfg: DictConfig, model: object) -> EncoderSettings | None:
    """The encoders to train with a model of class `model`; None if both `tune.text` and `tune.image` are none.

    Raises:
        ConfigError: a setting is invalid, or the model trains no encoders.
        MissingExtra: the method needs peft, which is not installed.
    """
    values: dict[str, Any] = plain(cfg.tune)  # runs of earlier versions lack most keys
    sizes = _given(values, Tuning)
    of_pictures = sizes | {"modules": values.get("image_modules")}
    asked = {
        TEXT: Tuning(values.get(TEXT, NONE), **sizes if values.get(TEXT, NONE) != NONE else {}),
        IMAGE: Tuning(values.get(IMAGE, NONE), **of_pictures if values.get(IMAGE, NONE) != NONE else {}, of=IMAGE),
    }
    training = EncoderTraining(**_given(values, EncoderTraining))
    tunings = {name: tuning for name, tuning in asked.items() if tuning.method != NONE}
    augmentation = _augmentation(values.get("augment") or {}, tunings)
    for name, tuning in tunings.items():
        _check_tuning(name, tuning, cfg, model)
    return EncoderSettings(tunings, training, Path(cfg.paths.cache), augmentation) if tunings else None


def _augmentation(given: dict[str, Any], tunings: dict[str, Tuning]) -> Augmentation:
    """The augmentation of the inputs of tuned encoders. Raises ConfigError for an unknown key, or if there is no such encoder."""
    names = [one.name for one in fields(Augmentation)]
    for name in given:
        if name not in names:
            raise ConfigError(f"tune.augment.{name}: there is no such key; {nearest(name, names)}")
    made = Augmentation(**given)
    for name, kind in ((TEXT, made.text), (IMAGE, made.image)):
        if kind != NONE and name not in tunings:
            raise ConfigError(
                f"tune.augment.{name}: {kind} changes the inputs of an encoder that is trained; set tune.{name}, or leave it none"
            )
    if made.text == SPELLING and tunings[TEXT].method != FULL:
        raise ConfigError(
            f"tune.augment.text: spelling needs tune.text=full, since {tunings[TEXT].method} keeps the states of frozen layers; take "
            "token_dropout or span_deletion"
        )
    return made


def _check_tuning(name: str, tuning: Tuning, cfg: DictConfig, model: object) -> None:
    """Raise ConfigError if the model does not train such an encoder or evidence lacks the modality, and MissingExtra without peft."""
    check_tunes(model, name)
    if cfg.evidence.get(name, True) is False:
        raise ConfigError(
            f"{tuning.key}: {tuning.method} trains the {name} encoder, which evidence.{name}=false leaves out; set one of them otherwise"
        )
    if tuning.method in (LORA, ADALORA):
        with needs("adapters", f"{tuning.key}={tuning.method}", f"{tuning.key}=adapters, prefix, last_n and full need no further package"):
            import peft  # noqa: F401  (without it nothing is to begin)


def check_user_text(cfg: DictConfig) -> None:
    """Raise ConfigError if texts about users are allowed and nothing uses them, or the template is invalid, or if the model lacks them."""
    kinds = [target(cfg, key) for key in ("model", *(f"baselines.{name}" for name in cfg.baselines))]
    uses = [getattr(kind, "user_texts", UNUSED) for kind in kinds]
    if not cfg.evidence.get(USER_TEXT, False):
        if uses[0] == REQUIRED:
            raise ConfigError(f"evidence.{USER_TEXT}: {kinds[0].__name__} needs texts about users; set it to true, or choose another model")
        return
    if set(uses) == {UNUSED}:
        raise ConfigError(
            f"evidence.{USER_TEXT}: {kinds[0].__name__} does not use texts about users, only model=fusion, text_cf and zero_shot_text do; "
            "leave it false"
        )
    if cfg.user_text:
        build(cfg, USER_TEXT)


def _given(values: dict[str, Any], kind: type) -> dict[str, Any]:
    return {one.name: values[one.name] for one in fields(kind) if one.name in values}


def _check_value(key: str, value: Any, changes: tuple[str, ...]) -> None:
    if not isinstance(value, bool) and value not in changes:
        raise ConfigError(f"{key}: `{value}` is not a valid value; {nearest(str(value), ('true', 'false', *changes))}")
