"""Frozen CLIP image encoders, through open_clip.

Weights are loaded when the first picture has to be encoded: if all features of a run are cached, only a file is hashed.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import mmrec._torchvision  # noqa: F401  first: the imports below may reach torchvision

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from mmrec.data.pictures.decode import DECODING, decode_picture
from mmrec.data.pictures.decode_worker import MAX_PIXELS
from mmrec.files.storage import sha256_text
from mmrec.nn.encoders.clip import TINY_CLIP, ClipWeights, build_image_model, clip_config, import_open_clip
from mmrec.nn.encoders.pretrained import PretrainedEncoder
from mmrec.types import default_device


class ClipImageEncoder:
    """A `FeatureEncoder` of pictures: the image encoder of a CLIP model (Radford et al. 2021), with unit-length float32 output.

    Pictures are resized and normalised as open_clip does for the tag, or, for a path, for the first tag of the architecture.

    Args:
        architecture: `tiny_clip` or a name of open_clip.
        pretrained: a tag of open_clip for the architecture; or the path of a safetensors file; or None for random weights.
        revision: the full commit hash on the Hugging Face hub, required with a tag.

    Raises:
        ConfigError: an argument is invalid.
        MissingFile: the path does not exist.
        DownloadError: the weights cannot be downloaded.
        MissingExtra: open_clip is not installed.
    """

    def __init__(self, architecture: str, pretrained: str | None, revision: str | None) -> None:
        open_clip = import_open_clip()
        config = clip_config(architecture)
        self.architecture, self.weights = architecture, ClipWeights(architecture, pretrained, revision)
        self.feature_dim: int = config["embed_dim"]
        self.name = self.weights.name
        self.preprocessing = preprocessing(architecture, self.weights.tag)
        settings = open_clip.transform.PreprocessCfg(**self.preprocessing)
        self._shape = open_clip.transform.image_transform_v2(settings, is_train=False)
        self._shape.transforms = self._shape.transforms[:-2]  # floats come later

    @cached_property
    def fingerprint(self) -> str:
        """The SHA-256 of the weights (for a hub model, of its commit hash, which pins them) and the preprocessing."""
        settings = repr((clip_config(self.architecture), sorted(self.preprocessing.items()), MAX_PIXELS, DECODING, "unit float32"))
        return sha256_text("image", self.architecture, self.weights.hash, settings)

    @cached_property
    def frozen(self) -> "PictureNetwork":
        """The network on `default_device()`, in evaluation mode and without gradients."""
        return self.network().to(default_device()).eval().requires_grad_(False)

    def network(self) -> "PictureNetwork":
        """A new copy of the network in training mode on the CPU, with gradients for all parameters."""
        model = build_image_model(self.architecture, self.weights.file()).requires_grad_(True)
        return PictureNetwork(model, self.preprocessing["mean"], self.preprocessing["std"]).train()

    def prepare(self, raw: bytes) -> UInt8[Tensor, "size size 3"]:
        """Decode and resize a picture. Raises ValueError, with the reason, if it cannot be used."""
        return torch.from_numpy(np.array(self._shape(decode_picture(raw))))

    def length(self, prepared: UInt8[Tensor, "size size 3"]) -> int:
        return 1

    def normalize(self, prepared: list[UInt8[Tensor, "size size 3"]]) -> Float[Tensor, "batch 3 size size"]:
        """Normalise a batch of pictures, bitwise equal to open_clip's transform of each."""
        return normalize_pictures(prepared, self.preprocessing["mean"], self.preprocessing["std"])

    def encode(self, prepared: list[UInt8[Tensor, "size size 3"]]) -> Float[Tensor, "batch feature_dim"]:
        return self.encode_normalized(self.normalize(prepared))

    @torch.inference_mode()
    def encode_normalized(self, pictures: Float[Tensor, "batch 3 size size"]) -> Float[Tensor, "batch feature_dim"]:
        """Encode normalised pictures; the reference for the speed of feature extraction."""
        features = self.frozen.model(pictures.to(default_device()))
        return torch.nn.functional.normalize(features.float().cpu(), dim=1)


class PictureNetwork(PretrainedEncoder):
    """The image encoder of a CLIP: decoded pictures to vectors of unit length.

    Args:
        model: maps normalised pictures (batch, 3, size, size) to (batch, feature_dim).
        mean: of each colour channel, from 0 to 1.
        std: of each colour channel.
    """

    def __init__(self, model: torch.nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.model, self.mean, self.std = model, mean, std

    def forward(self, prepared: Sequence[UInt8[Tensor, "size size 3"]]) -> Float[Tensor, "batch feature_dim"]:
        """One vector per picture, on the device of the parameters."""
        device = next(self.parameters()).device
        features = self.model(normalize_pictures(prepared, self.mean, self.std).to(device))
        return torch.nn.functional.normalize(features.float(), dim=1)

    def encode_pixels(self, pixels: Float[Tensor, "batch 3 size size"]) -> Float[Tensor, "batch feature_dim"]:
        """One vector per picture whose channels are in [0, 1], with gradients."""
        return encode_pixels(self.model, pixels, self.mean, self.std)


def encode_pixels(
    model: torch.nn.Module, pixels: Float[Tensor, "batch 3 size size"], mean: Sequence[float], std: Sequence[float]
) -> Float[Tensor, "batch feature_dim"]:
    """Vectors of unit length of pictures whose channels are in [0, 1], with gradients, by a model that takes normalised ones."""
    normalised = (pixels - pixels.new_tensor(mean).view(3, 1, 1)) / pixels.new_tensor(std).view(3, 1, 1)
    device = next(model.parameters()).device
    features = model(normalised.contiguous(memory_format=torch.channels_last).to(device))
    return torch.nn.functional.normalize(features.float(), dim=1).to(pixels.device)


def normalize_pictures(
    prepared: Sequence[UInt8[Tensor, "size size 3"]], mean: Sequence[float], std: Sequence[float]
) -> Float[Tensor, "batch 3 size size"]:
    """Normalise a batch of pictures, bitwise equal to open_clip's transform of each."""
    scaled = torch.stack(list(prepared)).permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format).div_(255)
    return scaled.sub_(torch.tensor(mean).view(3, 1, 1)).div_(torch.tensor(std).view(3, 1, 1))


def preprocessing(architecture: str, tag: str | None) -> dict[str, Any]:
    """The resizing and normalisation of open_clip for a tag, by default the first one of the architecture: size, mean, std, …

    tiny_clip resizes pictures to a square regardless of their aspect ratio, so that tall posters are not cropped.
    """
    open_clip = import_open_clip()
    tag = tag or next(iter(open_clip.list_pretrained_tags_by_model(architecture)), "")
    size = clip_config(architecture)["vision_cfg"].get("image_size", 224)
    found = {"resize_mode": "squash"} if architecture == TINY_CLIP else open_clip.get_pretrained_cfg(architecture, tag)
    merged: dict[str, Any] = open_clip.transform.merge_preprocess_dict(open_clip.transform.PreprocessCfg(), found)
    return merged | {"size": size}
