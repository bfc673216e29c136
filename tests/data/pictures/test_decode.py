"""Decoding: every common kind of picture comes out RGB and upright, every bad one is a ValueError that says why."""

import contextlib
import io

import numpy as np
import pytest
from PIL import Image

from mmrec.data.pictures.decode import decode_picture


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    raw = io.BytesIO()
    picture.save(raw, kind, **options)
    return raw.getvalue()


def noise(mode: str = "RGB", size: tuple[int, int] = (40, 30)) -> Image.Image:
    channels = len(Image.new(mode, (1, 1)).getbands())
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], channels), dtype=np.uint8)
    return Image.fromarray(pixels.squeeze(), mode)


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("RGB", "JPEG"), ("CMYK", "JPEG"), ("L", "JPEG"), ("RGB", "PNG"), ("L", "PNG"), ("RGB", "WEBP"), ("RGB", "BMP"), ("CMYK", "TIFF")],
)
def test_common_kinds_become_rgb(mode: str, kind: str):
    picture = decode_picture(encoded(noise(mode), kind))
    assert picture.mode == "RGB" and picture.size == (40, 30)


def test_lossless_pixels_are_untouched():
    assert np.array_equal(decode_picture(encoded(noise(), "PNG")), noise())


def test_exif_orientation_is_applied():
    sideways = Image.new("RGB", (40, 20), "black")
    sideways.paste("white", (0, 0, 20, 20))  # left half white
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned 90 degrees clockwise: left becomes top
    upright = decode_picture(encoded(sideways, "PNG", exif=exif))
    assert upright.size == (20, 40)
    assert upright.getpixel((10, 5)) == (255, 255, 255) and upright.getpixel((10, 35)) == (0, 0, 0)


def test_animation_gives_its_first_frame():
    frames = [Image.new("RGB", (10, 10), colour) for colour in ("red", "blue")]
    assert decode_picture(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])).getpixel((5, 5)) == (255, 0, 0)


def test_transparency_lies_on_white():
    picture = Image.new("RGBA", (2, 1), (0, 0, 0, 0))
    picture.putpixel((1, 0), (10, 20, 30, 255))
    shown = decode_picture(encoded(picture, "PNG"))
    assert [shown.getpixel((x, 0)) for x in range(2)] == [(255, 255, 255), (10, 20, 30)]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF"])
def test_cut_short_is_refused(kind: str):
    raw = encoded(noise(size=(200, 200)), kind)
    with pytest.raises(ValueError, match="picture"):
        decode_picture(raw[: len(raw) // 2])


@pytest.mark.parametrize("raw", [b"", b"hello", b"<svg/>", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"])
def test_bytes_of_anything_else_are_refused(raw: bytes):
    with pytest.raises(ValueError, match="not a picture"):
        decode_picture(raw)


def test_flipped_bytes_never_raise_anything_but_value_error():
    rng = np.random.default_rng(0)
    raws = [encoded(noise("P" if kind == "GIF" else "RGB"), kind) for kind in ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF")]
    for raw in raws * 40:
        damaged = bytearray(raw)
        for position in rng.integers(0, len(raw), 6):
            damaged[position] = rng.integers(256)
        with contextlib.suppress(ValueError):
            assert decode_picture(bytes(damaged)).mode == "RGB"


def test_too_many_pixels_are_refused_before_decoding():
    raw = encoded(Image.new("1", (5_001, 5_000)), "PNG")
    with pytest.raises(ValueError, match="5001 x 5000 pixels, more than 25 million"):
        decode_picture(raw[: len(raw) // 2])  # were it decoded, the damage would be met first


def test_strips_are_refused():
    assert decode_picture(encoded(Image.new("L", (50, 1)), "PNG")).size == (50, 1)
    with pytest.raises(ValueError, match="aspect ratio, 1 x 51"):
        decode_picture(encoded(Image.new("L", (1, 51)), "PNG"))
