"""What marks a pretrained encoder that is trained with the model, so that the optimizer can give it a rate of its own."""

from torch import nn


class PretrainedEncoder(nn.Module):
    """A part of a model that holds a pretrained text or image model: all of its parameters, embedding tables included, are `encoders`.

    To be subclassed; see `mmrec.tasks.parameter_groups`.
    """
