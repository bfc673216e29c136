"""CLIP models by the name of their architecture: those of open_clip, and `tiny_clip`, which trains on a catalogue in minutes on a CPU."""

import re
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import mmrec._torchvision  # noqa: F401  first: the imports below may reach torchvision

import huggingface_hub
import torch
import torch.nn.functional as F
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from mmrec.errors import ConfigError, DownloadError, MissingFile, nearest
from mmrec.extras import needs
from mmrec.files.locate import user_path
from mmrec.files.storage import sha256_file

TINY_CLIP = "tiny_clip"
TRAINED_ON = "trained_on"
"""The metadata key of a weights file for the name of its training data."""
_HUB_FILE = "open_clip_model.safetensors"
_TINY_CONFIG: dict[str, Any] = {"embed_dim": 128, "vision_cfg": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 16, "heads": 16}}


class TinyClip(nn.Module):
    """A small CLIP: the ResNet of open_clip for pictures, and a linear map of the features of a frozen text encoder for texts.

    Only the linear map and the image encoder are trained. A locked text encoder (Zhai et al. 2022, LiT) is already pretrained, whereas a
    few thousand pairs do not suffice to train one. Both encoders output `clip_config(TINY_CLIP)["embed_dim"]` numbers.
    """

    def __init__(self, text_dim: int) -> None:
        super().__init__()
        self.visual = _tiny_image_model()
        self.text_projection = nn.Linear(text_dim, _TINY_CONFIG["embed_dim"], bias=False)
        self.logit_scale = nn.Parameter(torch.tensor(1 / 0.07).log())

    def encode_image(self, pictures: Float[Tensor, "batch 3 size size"], normalize: bool = False) -> Float[Tensor, "batch dim"]:
        """The features of normalised pictures, scaled to unit length if `normalize`."""
        features = self.visual(pictures.contiguous(memory_format=torch.channels_last))  # the fastest layout for convolutions on a CPU
        return F.normalize(features, dim=1) if normalize else features

    def encode_text(self, texts: Float[Tensor, "batch text_dim"], normalize: bool = False) -> Float[Tensor, "batch dim"]:
        """The features of texts from those of the frozen text encoder, scaled to unit length if `normalize`."""
        features = self.text_projection(texts)
        return F.normalize(features, dim=1) if normalize else features


def import_open_clip() -> Any:
    """Return the package open_clip, which takes seconds to import. Raises MissingExtra where it is not installed."""
    with needs("pictures", "encoding pictures", "leave them out: evidence.image=false"):
        import open_clip
    return open_clip


def clip_config(architecture: str, key: str = "encoders.image") -> dict[str, Any]:
    """The configuration of an architecture in the format of open_clip: `embed_dim`, `vision_cfg`, … Raises ConfigError if it is unknown.

    `key` is that of the encoder in the configuration, for messages.
    """
    if architecture == TINY_CLIP:
        return deepcopy(_TINY_CONFIG)
    open_clip = import_open_clip()
    if architecture not in open_clip.list_models():
        hint = nearest(architecture, [TINY_CLIP, *open_clip.list_models()])
        raise ConfigError(f"{key}.architecture: `{architecture}` is neither tiny_clip nor an architecture of open_clip; {hint}")
    config: dict[str, Any] = open_clip.get_model_config(architecture)
    return config


def build_image_model(architecture: str, weights: Path | None, seed: int = 0) -> nn.Module:
    """Build the image encoder of a CLIP on the CPU in float32: normalised pictures (batch, 3, size, size) to (batch, embed_dim).

    Args:
        architecture: `tiny_clip` or a name of open_clip.
        weights: a safetensors file with the weights of the whole CLIP. None: random initialisation from `seed`.
        seed: of the random initialisation.

    Raises:
        ConfigError: the file is damaged or belongs to another architecture.
    """
    return build_clip(architecture, weights, seed).get_submodule("visual")


def build_clip(architecture: str, weights: Path | None, seed: int = 0, key: str = "encoders.image") -> nn.Module:
    """Build a whole CLIP as `build_image_model` does its image encoder; of `tiny_clip`, only the image encoder. `key` is for messages."""
    open_clip = import_open_clip()
    clip_config(architecture)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if architecture == TINY_CLIP:
            holder: nn.Module = nn.ModuleDict({"visual": _tiny_image_model()})
        else:  # without the flag, open_clip downloads a pretrained text model
            holder = open_clip.create_model(architecture, pretrained_text=False)
    if weights is not None:
        try:
            if architecture == TINY_CLIP:
                holder.load_state_dict({name: value for name, value in load_file(weights).items() if name.startswith("visual.")})
            else:
                open_clip.load_checkpoint(holder, str(weights))
        except (RuntimeError, SafetensorError) as error:
            reason = str(error).strip().split("\n")[0]
            raise ConfigError(f"{key}.pretrained: {weights} has no weights of {architecture}: {reason}") from error
    return holder


@dataclass(frozen=True)
class ClipWeights:
    """Where the weights of a CLIP come from.

    Args:
        architecture: `tiny_clip` or a name of open_clip.
        pretrained: a tag of open_clip for the architecture; or the path of a safetensors file; or None for random weights.
        revision: the full commit hash on the Hugging Face hub, required with a tag.
        key: of the encoder in the configuration, for messages.

    Raises:
        ConfigError: an argument is invalid.
        MissingFile: the path does not exist.
    """

    architecture: str
    pretrained: str | None
    revision: str | None
    key: str = "encoders.image"

    def __post_init__(self) -> None:
        if self.tag is not None:
            self._check_tag(self.tag)
        _ = self.name

    @property
    def path(self) -> Path | None:
        """The file that `pretrained` names, if it does."""
        return user_path(self.pretrained) if self.pretrained and self.pretrained.endswith(".safetensors") else None

    @property
    def tag(self) -> str | None:
        """The tag of open_clip, if `pretrained` is one."""
        return None if self.path else self.pretrained or None

    @cached_property
    def name(self) -> str:
        """The architecture and what its weights were trained on."""
        trained_on = self._trained_on(self.path) if self.path else self.tag
        return f"{self.architecture} ({trained_on or 'untrained'})"

    @property
    def hash(self) -> str:
        """The SHA-256 of the file; of a tag, its name and commit hash, which pins it."""
        return sha256_file(self.path) if self.path else f"{self.pretrained} {self.revision}"

    def file(self) -> Path | None:
        """The file with the weights, which is downloaded from the Hugging Face hub (or its local cache) for a tag."""
        if self.tag is None:
            return self.path
        hub_id = "/".join(import_open_clip().get_pretrained_cfg(self.architecture, self.tag)["hf_hub"].split("/")[:2])
        try:
            return Path(huggingface_hub.hf_hub_download(hub_id, _HUB_FILE, revision=cast("str", self.revision)))
        except (OSError, ValueError) as error:  # errors of the hub and of its client are OSErrors
            reason = str(error).strip().split("\n")[0]
            remedy = "use `image_encoder=tiny_clip` after `mmrec pretrain data=…`, or no pictures: `evidence.image=false`"
            raise DownloadError(
                f"{self.key}: {hub_id}/{_HUB_FILE}@{self.revision} could not be fetched: {reason}\nwithout a network "
                + (remedy if self.key == "encoders.image" else "use `text_encoder=minilm`")
            ) from error

    def _check_tag(self, tag: str) -> None:
        open_clip = import_open_clip()
        tags = open_clip.list_pretrained_tags_by_model(self.architecture)
        if not open_clip.get_pretrained_cfg(self.architecture, tag):
            hint = nearest(tag, tags) if tags else "open_clip has no weights for it"
            raise ConfigError(f"{self.key}.pretrained: `{tag}` is neither a *.safetensors path nor a tag of {self.architecture}; {hint}")
        if not re.fullmatch(r"[0-9a-f]{40}", self.revision or ""):
            hub_id = open_clip.get_pretrained_cfg(self.architecture, tag)["hf_hub"]
            raise ConfigError(
                f"{self.key}.revision: {self.architecture} {tag} ({hub_id}) needs its full commit hash (40 hex digits), "
                f"found `{self.revision}`"
            )

    def _trained_on(self, path: Path) -> str:
        """The training data according to the metadata of a weights file, else the file name."""
        if not path.is_file():
            remedy = "; `mmrec pretrain data=…` writes it" if self.architecture == TINY_CLIP else ""
            raise MissingFile(f"{self.key}.pretrained: the weights {path} do not exist{remedy}")
        try:
            with safe_open(path, "pt") as weights:
                data = (weights.metadata() or {}).get(TRAINED_ON)
        except SafetensorError as error:
            raise ConfigError(f"{self.key}.pretrained: {path} is not a safetensors file: {error}") from error
        return f"trained on {data}" if data else path.name


def _tiny_image_model() -> nn.Module:
    config = _TINY_CONFIG["vision_cfg"]
    model = import_open_clip().modified_resnet.ModifiedResNet(
        config["layers"], _TINY_CONFIG["embed_dim"], config["heads"], config["image_size"], config["width"]
    )
    laid_out: nn.Module = model.to(memory_format=torch.channels_last)
    return laid_out
