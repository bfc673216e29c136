"""Data augmentation of pictures: random changes that preserve their content, applied to whole batches in memory."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

MIN_AREA, ASPECT, JITTER = 0.6, 0.15, 0.2


def augment_pictures(pictures: UInt8[Tensor, "batch 3 size size"], generator: torch.Generator) -> Float[Tensor, "batch 3 size size"]:
    """Randomly crop to at least `MIN_AREA` and rescale, flip with probability 1/2, and vary brightness, contrast and saturation.

    These vary by up to `JITTER`; the hue is unchanged, since texts often mention colours. The result is in [0, 1].
    """
    crops = F.affine_grid(_random_crops(len(pictures), generator), list(pictures.shape), align_corners=False)
    scaled = F.grid_sample(pictures.float() / 255, crops.to(pictures.device), padding_mode="reflection", align_corners=False)
    light, contrast, colour = (_uniform((len(pictures), 1, 1, 1), 1 - JITTER, 1 + JITTER, generator).to(pictures.device) for _ in range(3))
    scaled = scaled * light
    scaled = torch.lerp(scaled.mean((1, 2, 3), keepdim=True), scaled, contrast)
    return torch.lerp(scaled.mean(1, keepdim=True), scaled, colour).clamp(0, 1)


def _random_crops(n: int, generator: torch.Generator) -> Float[Tensor, "n 2 3"]:
    """Affine maps from the square to random rectangles inside it, half of them mirrored."""
    side = _uniform((n,), MIN_AREA, 1, generator).sqrt()
    stretch = _uniform((n,), -ASPECT / 2, ASPECT / 2, generator).exp()
    width, height = (side * stretch).clamp(max=1), (side / stretch).clamp(max=1)
    mirror = torch.randint(0, 2, (n,), generator=generator) * 2 - 1
    x, y = (_uniform((n,), -1, 1, generator) * (1 - extent) for extent in (width, height))
    zero = torch.zeros(n)
    return torch.stack([torch.stack([width * mirror, zero, x], 1), torch.stack([zero, height, y], 1)], 1)


def _uniform(shape: tuple[int, ...], low: float, high: float, generator: torch.Generator) -> Tensor:
    return torch.rand(shape, generator=generator) * (high - low) + low
