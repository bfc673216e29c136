"""The interface of models that train encoders of items."""

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from mmrec.nn.encoders.pretrained import PretrainedEncoder


@runtime_checkable
class TunesEncoders(Protocol):
    """A model that can train encoders of items; they are given to it after its construction."""

    def tune_encoders(self, encoders: Mapping[str, PretrainedEncoder]) -> None:
        """Replace the frozen features of these modalities by vectors of `mmrec.nn.encoders.tuned.TunedEncoder`s."""
        ...
