"""The interface of models that train encoders of items."""

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

from mmrec.errors import ConfigError
from mmrec.nn.encoders.pretrained import PretrainedEncoder
from mmrec.types import TEXT


class TunesEncoders(Protocol):
    """A model that can train encoders of items; they are given to it after its construction."""

    tuned_modalities: ClassVar[tuple[str, ...]]
    """The modalities whose encoders it can train."""

    def tune_encoders(self, encoders: Mapping[str, PretrainedEncoder]) -> None:
        """Replace the frozen features of these modalities by vectors of `mmrec.nn.encoders.tuned.TunedEncoder`s."""
        ...


def check_tunes(model: Any, name: str) -> None:
    """Raise ConfigError if a model, or a class of models, does not train the encoder of a modality, which `tune.<name>` asks for."""
    modalities: tuple[str, ...] = getattr(model, "tuned_modalities", ())
    if name in modalities:
        return
    kind = model.__name__ if isinstance(model, type) else type(model).__name__
    if modalities:
        raise ConfigError(f"tune.{name}: {kind} trains the encoders of {', '.join(modalities)}, not of {name}; leave it none")
    able = "only model=fusion and model=text_cf do" if name == TEXT else "only model=fusion does"
    raise ConfigError(f"tune.{name}: {kind} does not train encoders, {able}; leave it none")
