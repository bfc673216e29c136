"""The settings of encoders that are trained with the model, as configured by `tune`."""

from dataclasses import fields
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from mmrec.config.values import plain
from mmrec.errors import ConfigError
from mmrec.experiment.settings import EncoderSettings
from mmrec.extras import needs
from mmrec.models.recommender import TunesEncoders
from mmrec.nn.adapters.tuning import ADALORA, LORA, NONE, EncoderTraining, Tuning
from mmrec.types import TEXT


def encoder_settings(cfg: DictConfig, model: object) -> EncoderSettings | None:
    """The encoders to train with a model of class `model`; None if `tune.text` is none.

    Raises:
        ConfigError: a setting is invalid, or the model trains no encoders.
        MissingExtra: the method needs peft, which is not installed.
    """
    values: dict[str, Any] = plain(cfg)["tune"]  # runs of earlier versions lack most keys
    method = values.get(TEXT, NONE)
    tuning = Tuning(method, **_given(values, Tuning))
    training = EncoderTraining(**_given(values, EncoderTraining))
    if method == NONE:
        return None
    if not (isinstance(model, type) and issubclass(model, TunesEncoders)):
        name = getattr(model, "__name__", model)
        raise ConfigError(f"tune.text: {name} does not train encoders, only model=fusion does; leave it none")
    if cfg.evidence.get(TEXT, True) is False:
        raise ConfigError(f"tune.text: {method} trains the text encoder, which evidence.text=false leaves out; set one of them otherwise")
    if method in (LORA, ADALORA):
        with needs("adapters", f"tune.text={method}", "tune.text=adapters, prefix, last_n and full need no further package"):
            import peft  # noqa: F401  (without it nothing is to begin)
    return EncoderSettings({TEXT: tuning}, training, Path(cfg.paths.cache))


def _given(values: dict[str, Any], kind: type) -> dict[str, Any]:
    return {one.name: values[one.name] for one in fields(kind) if one.name in values}
