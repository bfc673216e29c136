"""What marks a pretrained encoder that is trained with the model, so that the optimizer can give it a rate of its own."""

from typing import Protocol, runtime_checkable

from torch import nn

from mmrec.types import FeatureEncoder


class PretrainedEncoder(nn.Module):
    """A part of a model that holds a pretrained text or image model: all of its parameters, embedding tables included, are `encoders`.

    To be subclassed; see `mmrec.tasks.parameter_groups`. Called with prepared inputs, it gives their vectors, through which gradients flow.
    """


@runtime_checkable
class TrainableEncoder(FeatureEncoder, Protocol):
    """A `FeatureEncoder` that can be trained with a model."""

    def network(self) -> PretrainedEncoder:
        """A fresh copy of what encodes, in training mode, every parameter of it with a gradient."""
        ...
