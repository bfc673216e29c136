"""An image encoder that is trained by one of the methods of `Tuning`, on decoded pictures."""

import re
from collections.abc import Sequence

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from mmrec.nn.adapters.adapt_pictures import adapt_pictures
from mmrec.nn.adapters.tuning import Tuning
from mmrec.nn.encoders.image import PictureNetwork, encode_pixels, normalize_pictures
from mmrec.nn.encoders.tuned_network import TrainedNetwork


class TunedPictureNetwork(TrainedNetwork):
    """The image encoder of a CLIP prepared for training: decoded pictures to vectors of unit length.

    It stays in evaluation mode, without dropout and with the stored statistics of batch normalisation: vectors then depend neither on the
    grouping of items nor on the number of processes.

    Args:
        pictures: the pretrained network, which is modified.
        tuning: the method.
        size: of the pictures, in pixels.

    Raises:
        ConfigError: the method does not fit the model.
        MissingExtra: the method needs peft, which is not installed.
    """

    def __init__(self, pictures: PictureNetwork, tuning: Tuning, size: int) -> None:
        adapted = adapt_pictures(pictures.model, tuning, size)
        super().__init__(tuning, adapted.model, adapted.n_total, None)
        self.prefixes, self._layers = adapted.prefixes, adapted.layers
        self.mean, self.std = pictures.mean, pictures.std

    def forward(self, rows: Sequence[UInt8[Tensor, "size size 3"]]) -> Float[Tensor, "batch feature_dim"]:
        """One vector per picture."""
        self.model.eval()
        device = next(self.parameters()).device
        vectors = self.model(normalize_pictures(rows, self.mean, self.std).to(device))
        return torch.nn.functional.normalize(vectors.float(), dim=1)

    def encode_pixels(self, pixels: Float[Tensor, "batch 3 size size"]) -> Float[Tensor, "batch feature_dim"]:
        """One vector per picture whose channels are in [0, 1], with gradients."""
        self.model.eval()
        return encode_pixels(self.model, pixels, self.mean, self.std)

    def depth_of(self, name: str) -> int:
        if (prefix := re.match(r"prefixes\.(\d+)\.", name)) is not None:
            return len(self._layers) - 1 - int(prefix[1])
        return self._layers.depth_of(name.removeprefix("model.").removeprefix("base_model.model."))
