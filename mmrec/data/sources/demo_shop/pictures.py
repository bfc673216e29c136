"""Pictures of the synthetic shop: one object on a plain background, whose colour, pattern and shape are the item's visual attributes.

All other properties of a picture are independent noise: position, scale, rotation, period and phase of the pattern, shade, background,
lighting and grain.
"""

from colorsys import hsv_to_rgb

import numpy as np
from jaxtyping import Float, UInt8

SIDE = 64
HUES = {"red": 0.0, "orange": 0.07, "yellow": 0.15, "green": 0.34, "cyan": 0.5, "blue": 0.62, "purple": 0.76, "pink": 0.89}
"""Hue of each colour, as a fraction of the colour circle."""
ADJECTIVES = {"plain": "plain", "stripes": "striped", "dots": "dotted", "checks": "checked", "rings": "ringed"}
CAPTIONS = (
    "a {pattern} {colour} {shape}",
    "a picture of a {colour} {shape}, {pattern}",
    "{colour} {shape}, {pattern}",
    "one {pattern} {shape} in {colour}",
)

Plane = Float[np.ndarray, "side side"]


def draw_picture(colour: str, pattern: str, shape: str, rng: np.random.Generator) -> UInt8[np.ndarray, "side side 3"]:
    """Draw an RGB picture of one object with the given attributes.

    Args:
        colour: a value of `mmrec.data.sources.demo_shop.world.VALUES["colour"]`.
        pattern: a value of `VALUES["pattern"]`.
        shape: a value of `VALUES["shape"]`.
        rng: source of everything else in the picture.

    Returns:
        Pixels `(64, 64, 3)`, 0 to 255.
    """
    x, y = _object_coordinates(rng)
    inside = _soft(_signed_distance(shape, x, y), SIDE / 5)[..., None]
    ink = _pattern(pattern, x, y, rng)[..., None]
    background = np.array(hsv_to_rgb(rng.random(), rng.uniform(0, 0.15), rng.uniform(0.55, 0.95)))
    body = np.array(hsv_to_rgb((HUES[colour] + rng.uniform(-0.02, 0.02)) % 1, rng.uniform(0.75, 1), rng.uniform(0.7, 1)))
    pixels = background * (1 - inside) + body * (1 - 0.65 * ink) * inside
    light = 1 + rng.uniform(-0.15, 0.15) * x + rng.uniform(-0.15, 0.15) * y
    pixels = pixels * light[..., None] + rng.uniform(0.01, 0.05) * rng.standard_normal((SIDE, SIDE, 3))
    scaled: np.ndarray = 255 * pixels.clip(0, 1)
    return scaled.astype(np.uint8)


def write_caption(colour: str, pattern: str, shape: str, rng: np.random.Generator) -> str:
    """Write a caption of the picture, e.g. `a striped red ring`."""
    return str(rng.choice(CAPTIONS)).format(colour=colour, pattern=ADJECTIVES[pattern], shape=shape)


def _object_coordinates(rng: np.random.Generator) -> tuple[Plane, Plane]:
    """Return the coordinates of every pixel relative to the object, of radius 1, after a random shift, scaling and rotation."""
    grid = np.linspace(-1, 1, SIDE)
    x, y = np.meshgrid(grid - rng.uniform(-0.2, 0.2), grid - rng.uniform(-0.2, 0.2))
    scale, angle = rng.uniform(0.55, 0.75), rng.uniform(-0.25, 0.25)
    cos, sin = np.cos(angle) / scale, np.sin(angle) / scale
    return cos * x + sin * y, cos * y - sin * x


def _soft(distance: Plane, sharpness: float) -> Plane:
    """Map a signed distance to 1 inside (negative) and 0 outside (positive), with a smooth edge."""
    inside: Plane = 1 / (1 + np.exp((sharpness * 2 * distance).clip(-30, 30)))
    return inside


def _signed_distance(shape: str, x: Plane, y: Plane) -> Plane:
    """Return an approximate signed distance to the outline, negative inside, in units of the object's radius."""
    distance: Plane
    radius, angle = np.hypot(x, y), np.arctan2(x, -y)
    match shape:
        case "disc":
            distance = radius - 0.9
        case "square":
            distance = np.maximum(np.abs(x), np.abs(y)) - 0.8
        case "triangle":
            distance = np.maximum(np.abs(x) * 0.866 - y * 0.5, y) - 0.5
        case "flower":
            distance = radius - 0.7 - 0.35 * np.cos(5 * angle)
        case "cross":
            distance = np.maximum(np.minimum(np.abs(x), np.abs(y)) - 0.3, np.maximum(np.abs(x), np.abs(y)) - 0.95)
        case "ring":
            distance = np.abs(radius - 0.72) - 0.24
        case _:
            raise ValueError(shape)
    return distance


def _pattern(pattern: str, x: Plane, y: Plane, rng: np.random.Generator) -> Plane:
    """Return the darkness of the pattern at every pixel, 0 to 1."""
    period = rng.uniform(0.34, 0.46)
    across, along = (np.sin(2 * np.pi * (axis / period + rng.random())) for axis in (x, y))
    match pattern:
        case "plain":
            return np.zeros_like(x)
        case "stripes":
            return _soft(along, 3)
        case "dots":
            return _soft(0.5 - across * along, 6)
        case "checks":
            return _soft(across * along, 6)
        case "rings":
            return _soft(np.sin(2 * np.pi * (np.hypot(x, y) / period + rng.random())), 3)
    raise ValueError(pattern)
