"""Small CLIP models of random weights, known to open_clip as its own architectures are."""

from collections.abc import Iterator
from contextlib import contextmanager

import mmrec._torchvision  # noqa: F401  first: the imports below may reach torchvision

import open_clip
import torch

from mmrec.nn.encoders.clip import build_image_model, clip_config
from mmrec.nn.encoders.image import PictureNetwork

SIZE, DIM = 32, 12
VISION = {"image_size": SIZE, "patch_size": 16, "width": 32, "head_width": 16, "layers": 3}
TEXT = {"context_length": 8, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 3}
NAME = "ViT-tuned-test"


@contextmanager
def small_clip() -> Iterator[str]:
    """Registers the architecture `NAME`."""
    configs = open_clip.factory._MODEL_CONFIGS
    configs[NAME] = {"embed_dim": DIM, "vision_cfg": VISION, "text_cfg": TEXT}
    try:
        yield NAME
    finally:
        del configs[NAME]


def make_pictures(n: int, size: int = SIZE) -> list[torch.Tensor]:
    """Random pictures."""
    return list(torch.randint(0, 256, (n, size, size, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1)))


def make_network(architecture: str) -> PictureNetwork:
    """A network in evaluation mode, always with the same weights."""
    model = build_image_model(architecture, None)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for parameter in model.parameters():  # far from zero, so that all that happens can be seen
            parameter.data += 0.1 * torch.randn_like(parameter)
    return PictureNetwork(model, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)).eval()


def size_of(architecture: str) -> int:
    """The size of its pictures."""
    return int(clip_config(architecture)["vision_cfg"]["image_size"])
