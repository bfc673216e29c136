"""CLIP models by the name of their architecture: those of open_clip, and `tiny_clip`, which trains on a catalogue in minutes on a CPU."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import mmrec._torchvision  # noqa: F401  first: the imports below may reach torchvision

import torch
import torch.nn.functional as F
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from mmrec.errors import ConfigError, nearest
from mmrec.extras import needs

TINY_CLIP = "tiny_clip"
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


def clip_config(architecture: str) -> dict[str, Any]:
    """The configuration of an architecture in the format of open_clip: `embed_dim`, `vision_cfg`, … Raises ConfigError if it is unknown."""
    if architecture == TINY_CLIP:
        return deepcopy(_TINY_CONFIG)
    open_clip = import_open_clip()
    if architecture not in open_clip.list_models():
        hint = nearest(architecture, [TINY_CLIP, *open_clip.list_models()])
        raise ConfigError(f"encoders.image.architecture: `{architecture}` is neither tiny_clip nor an architecture of open_clip; {hint}")
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
    open_clip = import_open_clip()
    clip_config(architecture)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if architecture == TINY_CLIP:
            holder = nn.ModuleDict({"visual": _tiny_image_model()})
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
            raise ConfigError(f"encoders.image.pretrained: {weights} has no weights of {architecture}: {reason}") from error
    return holder.get_submodule("visual")


def _tiny_image_model() -> nn.Module:
    config = _TINY_CONFIG["vision_cfg"]
    model = import_open_clip().modified_resnet.ModifiedResNet(
        config["layers"], _TINY_CONFIG["embed_dim"], config["heads"], config["image_size"], config["width"]
    )
    laid_out: nn.Module = model.to(memory_format=torch.channels_last)
    return laid_out
