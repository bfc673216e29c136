"""CLIP models by the name of their architecture: open_clip's, and `tiny_clip`, our own that a catalogue trains in minutes on a CPU."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import open_clip
import torch
from safetensors import SafetensorError

from mmrec.errors import ConfigError, nearest

TINY_CLIP = "tiny_clip"
_TINY_CLIP: dict[str, Any] = {
    "embed_dim": 128,
    "vision_cfg": {"image_size": 64, "patch_size": 8, "width": 192, "head_width": 48, "layers": 4, "pool_type": "avg"},
    "text_cfg": {"context_length": 64, "vocab_size": 49408, "width": 128, "heads": 4, "layers": 2},
}


def clip_config(architecture: str) -> dict[str, Any]:
    """The configuration of an architecture as open_clip writes it: `embed_dim, vision_cfg, text_cfg`. ConfigError for an unknown name."""
    if architecture == TINY_CLIP:
        return deepcopy(_TINY_CLIP)
    if architecture not in open_clip.list_models():
        hint = nearest(architecture, [TINY_CLIP, *open_clip.list_models()])
        raise ConfigError(f"image_encoder.architecture: `{architecture}` is neither tiny_clip nor an architecture of open_clip; {hint}")
    return open_clip.get_model_config(architecture)


def build_clip(architecture: str, weights: Path | None, seed: int = 0) -> torch.nn.Module:
    """A CLIP on the CPU in float32 with the weights of a safetensors file, or random ones drawn from `seed`.

    Raises ConfigError where the file is damaged or belongs to another architecture.
    """
    config = clip_config(architecture)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if architecture == TINY_CLIP:
            model = open_clip.CLIP(**config)
        else:  # the flag keeps open_clip from fetching a text model of its own choice
            model = open_clip.create_model(architecture, pretrained_text=False)
    if weights is not None:
        try:
            open_clip.load_checkpoint(model, str(weights))
        except (RuntimeError, SafetensorError) as error:
            reason = str(error).strip().split("\n")[0]
            raise ConfigError(f"image_encoder.pretrained: {weights} holds no weights of {architecture}: {reason}") from error
    return model
