"""The base class of pretrained encoders that are fine-tuned with the model, which lets the optimizer use a separate learning rate."""

from typing import Protocol, runtime_checkable

from torch import nn

from mmrec.types import FeatureEncoder


class PretrainedEncoder(nn.Module):
    """A part of a model that contains a pretrained text or image model; all of its parameters belong to the role `encoders`.

    To be subclassed; see `mmrec.tasks.parameter_groups`. The forward maps prepared inputs to vectors, with gradients.
    """


@runtime_checkable
class TrainableEncoder(FeatureEncoder, Protocol):
    """A `FeatureEncoder` that can be fine-tuned with a model."""

    def network(self) -> PretrainedEncoder:
        """A new copy of the network in training mode, with gradients for all parameters."""
        ...
