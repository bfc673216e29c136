"""Decoding pictures nobody has vouched for: what comes back is RGB and upright, or a ValueError that says what is wrong."""

import io
import warnings

from PIL import Image, ImageOps

MAX_PIXELS = 25_000_000
MAX_ASPECT = 50
"""Longer side to shorter: beyond, resizing the shorter side to what an encoder takes would blow up the longer one."""
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF")
"""Pictures of the web. Pillow knows more formats, some of which start other programs."""


def decode_picture(raw: bytes) -> Image.Image:
    """The picture in `raw` as RGB: first frame of an animation, turned upright by its EXIF tag, transparency on white.

    Raises ValueError for bytes that are no picture or are cut short and, before anything is decoded, for more than `MAX_PIXELS` or
    `MAX_ASPECT`.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of palettes and metadata that change nothing here
            picture = Image.open(io.BytesIO(raw), formats=FORMATS)
            _check_size(*picture.size)
            return _on_white(ImageOps.exif_transpose(picture))
    except Image.UnidentifiedImageError as error:
        raise ValueError(f"the bytes are no picture ({', '.join(FORMATS)})") from error
    except Image.DecompressionBombError as error:
        raise ValueError(f"the picture has more than {MAX_PIXELS // 1_000_000} million pixels") from error
    except (OSError, SyntaxError, EOFError, LookupError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"the picture is damaged: {error}") from error  # all of these come out of Pillow's decoders on bad bytes


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise ValueError(f"the picture has {width} x {height} pixels, more than {MAX_PIXELS // 1_000_000} million")
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise ValueError(f"the picture is a strip of {width} x {height} pixels, sides more than {MAX_ASPECT} to 1")


def _on_white(picture: Image.Image) -> Image.Image:
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    picture = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
