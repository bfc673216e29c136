"""Frozen CLIP image encoders, through open_clip.

Weights load at the first picture that has to be encoded: a run whose features are all cached hashes a file, no more.
"""

import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import huggingface_hub
import numpy as np
import torch
from jaxtyping import Float, UInt8
from open_clip.pretrained import get_pretrained_cfg, list_pretrained_tags_by_model
from open_clip.transform import PreprocessCfg, image_transform_v2, merge_preprocess_dict
from safetensors import SafetensorError, safe_open
from torch import Tensor
from torchvision.transforms import Compose, functional

from mmrec.data.pictures.decode import DECODING, decode_picture
from mmrec.data.pictures.decode_worker import MAX_PIXELS
from mmrec.errors import ConfigError, DownloadError, MissingFile, nearest
from mmrec.files.locate import user_path
from mmrec.files.storage import sha256_file, sha256_text
from mmrec.nn.encoders.clip import TINY_CLIP, build_image_model, clip_config
from mmrec.nn.encoders.pretrained import PretrainedEncoder
from mmrec.types import default_device

TRAINED_ON = "trained_on"
"""The key, in the metadata of a weights file, of the name of the data it was trained on."""
_HUB_FILE = "open_clip_model.safetensors"


class ClipImageEncoder:
    """A `FeatureEncoder` of pictures: the image side of a CLIP model (Radford et al. 2021), unit length, float32.

    `architecture` is `tiny_clip` or a name of open_clip. `pretrained` is a tag that open_clip has for it, which needs `revision`, the full
    commit hash on the Hugging Face hub; or the path of a safetensors file; or None: random weights, and a name that says so. Pictures are
    resized and normalised as open_clip does for the tag (for a path: for the first tag of the architecture).

    Raises ConfigError for a wrong argument, MissingFile for a path that is not there, DownloadError where the hub does not answer.
    """

    def __init__(self, architecture: str, pretrained: str | None, revision: str | None) -> None:
        config = clip_config(architecture)
        self.architecture, self.pretrained, self.revision = architecture, pretrained, revision
        self.feature_dim: int = config["embed_dim"]
        self.path = user_path(pretrained) if pretrained and pretrained.endswith(".safetensors") else None
        tag = _check_tag(architecture, pretrained, revision) if pretrained and not self.path else None
        trained_on = _trained_on(architecture, self.path) if self.path else pretrained
        self.name = f"{architecture} ({trained_on or 'untrained'})"
        self.preprocessing = preprocessing(architecture, tag)
        self._shape = Compose(image_transform_v2(PreprocessCfg(**self.preprocessing), is_train=False).transforms[:-2])  # floats come later

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over the weights (of a hub model: its commit hash, which pins them) and the preprocessing."""
        weights = sha256_file(self.path) if self.path else f"{self.pretrained} {self.revision}"
        settings = repr((clip_config(self.architecture), sorted(self.preprocessing.items()), MAX_PIXELS, DECODING, "unit float32"))
        return sha256_text("image", self.architecture, weights, settings)

    @cached_property
    def frozen(self) -> "PictureNetwork":
        """What encodes, on `default_device()` and without gradients."""
        return self.network().to(default_device()).eval().requires_grad_(False)

    def network(self) -> "PictureNetwork":
        """A fresh copy of what encodes, in training mode on the CPU, every parameter of it with a gradient."""
        weights = self.path
        if weights is None and self.pretrained:
            weights = _download(self.architecture, self.pretrained, cast("str", self.revision))  # as __init__ has checked
        model = build_image_model(self.architecture, weights).requires_grad_(True)
        return PictureNetwork(model, self.preprocessing["mean"], self.preprocessing["std"]).train()

    def prepare(self, raw: bytes) -> UInt8[Tensor, "size size 3"]:
        """Decodes and resizes a picture. Raises ValueError, with the reason, where the bytes are no usable picture."""
        return torch.from_numpy(np.array(self._shape(decode_picture(raw))))

    def length(self, prepared: UInt8[Tensor, "size size 3"]) -> int:
        return 1

    def normalize(self, prepared: list[UInt8[Tensor, "size size 3"]]) -> Float[Tensor, "batch 3 size size"]:
        """Pictures as the model takes them, all at once: to the bit what open_clip's transform makes of each."""
        return normalize_pictures(prepared, self.preprocessing["mean"], self.preprocessing["std"])

    def encode(self, prepared: list[UInt8[Tensor, "size size 3"]]) -> Float[Tensor, "batch feature_dim"]:
        return self.encode_normalized(self.normalize(prepared))

    @torch.inference_mode()
    def encode_normalized(self, pictures: Float[Tensor, "batch 3 size size"]) -> Float[Tensor, "batch feature_dim"]:
        """The bare encoder, beside which extraction is measured."""
        features = self.frozen.model(pictures.to(default_device()))
        return torch.nn.functional.normalize(features.float().cpu(), dim=1)


class PictureNetwork(PretrainedEncoder):
    """The image side of a CLIP: decoded pictures to vectors of unit length.

    Args:
        model: normalised pictures (batch, 3, size, size) to (batch, feature_dim).
        mean: of each colour, from 0 to 1.
        std: of each colour.
    """

    def __init__(self, model: torch.nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.model, self.mean, self.std = model, mean, std

    def forward(self, prepared: Sequence[UInt8[Tensor, "size size 3"]]) -> Float[Tensor, "batch feature_dim"]:
        """One vector a picture, on the device of the parameters."""
        device = next(self.parameters()).device
        features = self.model(normalize_pictures(prepared, self.mean, self.std).to(device))
        return torch.nn.functional.normalize(features.float(), dim=1)


def normalize_pictures(
    prepared: Sequence[UInt8[Tensor, "size size 3"]], mean: Sequence[float], std: Sequence[float]
) -> Float[Tensor, "batch 3 size size"]:
    """Pictures as a model takes them, all at once: to the bit what open_clip's transform makes of each."""
    scaled = torch.stack(list(prepared)).permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format).div_(255)
    normalized: Tensor = functional.normalize(scaled, list(mean), list(std), inplace=True)
    return normalized


def preprocessing(architecture: str, tag: str | None) -> dict[str, Any]:
    """open_clip's resizing and normalisation for a tag of the architecture, or for its first tag: size, mean, std, interpolation, …

    tiny_clip squashes pictures to a square, so that nothing of a tall poster is cut off.
    """
    tag = tag or next(iter(list_pretrained_tags_by_model(architecture)), "")
    size = clip_config(architecture)["vision_cfg"].get("image_size", 224)
    found = {"resize_mode": "squash"} if architecture == TINY_CLIP else get_pretrained_cfg(architecture, tag)
    merged: dict[str, Any] = merge_preprocess_dict(PreprocessCfg(), found)
    return merged | {"size": size}


def _check_tag(architecture: str, tag: str, revision: str | None) -> str:
    tags = list_pretrained_tags_by_model(architecture)
    if not get_pretrained_cfg(architecture, tag):
        hint = nearest(tag, tags) if tags else "open_clip has no weights for it"
        raise ConfigError(f"encoders.image.pretrained: `{tag}` is neither a *.safetensors path nor a tag of {architecture}; {hint}")
    if not re.fullmatch(r"[0-9a-f]{40}", revision or ""):
        hub_id = get_pretrained_cfg(architecture, tag)["hf_hub"]
        raise ConfigError(
            f"encoders.image.revision: {architecture} {tag} ({hub_id}) needs its full commit hash (40 hex digits), came `{revision}`"
        )
    return tag


def _trained_on(architecture: str, path: Path) -> str:
    """What a weights file says it was trained on, else its name."""
    if not path.is_file():
        remedy = "; `mmrec pretrain data=…` writes it" if architecture == TINY_CLIP else ""
        raise MissingFile(f"encoders.image.pretrained: the weights {path} are not there{remedy}")
    try:
        with safe_open(path, "pt") as weights:
            data = (weights.metadata() or {}).get(TRAINED_ON)
    except SafetensorError as error:
        raise ConfigError(f"encoders.image.pretrained: {path} is no safetensors file: {error}") from error
    return f"trained on {data}" if data else path.name


def _download(architecture: str, tag: str, revision: str) -> Path:
    """The weights of a tag from the Hugging Face hub (or its cache on this machine) at exactly `revision`, as safetensors."""
    hub_id = "/".join(get_pretrained_cfg(architecture, tag)["hf_hub"].split("/")[:2])
    try:
        return Path(huggingface_hub.hf_hub_download(hub_id, _HUB_FILE, revision=revision))
    except (OSError, ValueError) as error:  # the hub's own errors and its client's are OSErrors
        reason = str(error).strip().split("\n")[0]
        raise DownloadError(
            f"encoders.image: {hub_id}/{_HUB_FILE}@{revision} could not be fetched: {reason}\n"
            "without a network use `image_encoder=tiny_clip` after `mmrec pretrain data=…`, or no pictures: `evidence.image=false`"
        ) from error
