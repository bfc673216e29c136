"""The layers of an image encoder of open_clip, from the bottom to the top."""

import re

from torch import nn

from mmrec.errors import ConfigError

_STACKS = ("transformer.resblocks", "trunk.blocks", "trunk.stages")
"""The lists of layers of open_clip's vision transformers, and of those and the convolutional networks that it takes from timm."""
_STAGE = r"(?:trunk\.)?layer\d+"
_HEAD = r"(proj|ln_post|attn_pool\w*|attnpool|head|trunk\.(norm|fc_norm|attn_pool|head))(\.|$)"


class PictureLayers:
    """The layers of an image encoder: the blocks of a transformer, or the stages of a convolutional network.

    Args:
        model: maps normalised pictures to vectors.

    Raises:
        ConfigError: the model has no known list of layers.
    """

    def __init__(self, model: nn.Module) -> None:
        names = [name for name, _ in model.named_modules()]
        of_stacks = [name for name in names if any(re.fullmatch(rf"{re.escape(stack)}\.\d+", name) for stack in _STACKS)]
        self.names = tuple(of_stacks or [name for name in names if re.fullmatch(_STAGE, name)])
        if not self.names:
            raise ConfigError(f"tune.image: expected a model with a list of layers, found none in {type(model).__name__}")

    def __len__(self) -> int:
        return len(self.names)

    def first_of_top(self, n_layers: int | None) -> int:
        """The index of the lowest one of the `n_layers` top layers, or 0 for None. Raises ConfigError if there are fewer layers."""
        if n_layers is not None and n_layers > len(self):
            raise ConfigError(f"tune.n_layers: the image encoder has {len(self)} layers, found {n_layers}; null stands for all")
        return 0 if n_layers is None else len(self) - n_layers

    def index_of(self, name: str) -> int | None:
        """The layer of a module or parameter by its name; None outside of the layers."""
        return next((at for at, layer in enumerate(self.names) if f".{layer}." in f".{name}."), None)

    def depth_of(self, parameter: str) -> int:
        """The number of layers above a parameter: 0 in the top layer and after it, the number of layers before the first one."""
        if (index := self.index_of(parameter)) is not None:
            return len(self) - 1 - index
        return 0 if self.is_head(parameter) else len(self)

    def is_head(self, parameter: str) -> bool:
        """Whether a parameter belongs to what follows the layers."""
        return self.index_of(parameter) is None and re.match(_HEAD, parameter) is not None
