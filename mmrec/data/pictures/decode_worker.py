"""The process that decodes pictures: started by its path, it uses only Pillow and the standard library.

Pictures are untrusted and decoders are large C libraries, so the process has limited memory and CPU time (enough for `MAX_PIXELS`), cannot
write files, and can crash without affecting the parent. Messages on stdin and stdout start with a `HEADER`:

    request   HEADER(len, 0, 0)         the bytes of a file
    response  HEADER(3 * w * h, w, h)   the rows of the picture, RGB
              HEADER(len, 0, 0)         why it cannot be decoded, in UTF-8

A header of zeros, sent before any request, signals that the process is ready.
"""

import io
import signal
import struct
import sys
import time
import warnings
from collections.abc import Iterator
from typing import BinaryIO

if __name__ == "__main__":
    sys.path.append(sys.argv[1])  # the folder of the parent's Pillow; its other packages are not imported

from PIL import AvifImagePlugin, Image, ImageOps, UnidentifiedImageError

try:
    import resource
except ImportError:  # Windows: no limits
    resource = None  # type: ignore[assignment]  # mypy types the name as the module

MAX_PIXELS = 25_000_000
MAX_ASPECT = 50
"""The largest ratio of longer to shorter side: resizing the shorter side to an encoder's input size enlarges the longer one by it."""
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF")
"""The formats of pictures on the web. Pillow knows more, some of which start other programs."""
MAX_CPU_S = 20
"""Per picture. Decoding `MAX_PIXELS` takes at most two seconds."""
MAX_MEMORY = 640 * 2**20
"""Bytes of address space. Decoding `MAX_PIXELS` takes at most 420 MB, as WEBP."""
HEADER = struct.Struct(">QII")
_STRIP_PIXELS = 2**18
_DAMAGE = (OSError, SyntaxError, EOFError, LookupError, TypeError, AttributeError, OverflowError)
"""The exceptions that Pillow's decoders raise on invalid bytes."""


def decode(raw: bytes) -> tuple[tuple[int, int], Iterator[bytes]]:
    """Decode a picture to its width and height and an iterator over blocks of RGB rows.

    Uses the first frame of an animation, rotates it by its EXIF tag, blends transparency with white, and keeps the upper 8 of 16 bits.

    Raises:
        ValueError: the bytes are not a picture or truncated; or, before anything is decoded, they exceed `MAX_PIXELS` or `MAX_ASPECT`.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns about palettes and metadata, which are irrelevant here
            picture = Image.open(io.BytesIO(raw), formats=FORMATS)
            _check_size(*picture.size)
            picture.load()
            ImageOps.exif_transpose(picture, in_place=True)
            return picture.size, _rows(picture)
    except UnidentifiedImageError as error:
        raise ValueError(f"the bytes are not a picture ({', '.join(FORMATS)})") from error
    except Image.DecompressionBombError as error:
        raise ValueError(f"the picture has more than {MAX_PIXELS // 1_000_000} million pixels") from error
    except MemoryError as error:
        raise ValueError(f"the picture takes more than {MAX_MEMORY // 2**20} MB to decode") from error
    except _DAMAGE as error:
        raise ValueError(f"the picture is damaged: {error}") from error


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise ValueError(f"the picture has {width} x {height} pixels, more than {MAX_PIXELS // 1_000_000} million")
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise ValueError(f"the picture has an extreme aspect ratio, {width} x {height} pixels, sides more than {MAX_ASPECT} to 1")


def _rows(picture: Image.Image) -> Iterator[bytes]:
    """Convert to RGB in strips, which avoids a second copy of the whole picture."""
    if picture.mode in ("I", "F"):
        raise ValueError("the picture has 32-bit pixels, whose range is unknown")
    width, height = picture.size
    if width * height <= _STRIP_PIXELS:
        return iter([_as_rgb(picture).tobytes()])
    n_rows = max(1, _STRIP_PIXELS // width)
    strips = (picture.crop((0, top, width, min(top + n_rows, height))) for top in range(0, height, n_rows))
    return (_as_rgb(strip).tobytes() for strip in strips)


def _as_rgb(strip: Image.Image) -> Image.Image:
    if strip.mode.startswith("I;16"):
        strip = Image.frombytes("L", strip.size, strip.tobytes()[strip.mode == "I;16" :: 2])  # I;16B is big-endian
    if not strip.has_transparency_data:
        return strip if strip.mode == "RGB" else strip.convert("RGB")
    strip = strip.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", strip.size, "white"), strip).convert("RGB")


def answer(raw: bytes, target: BinaryIO) -> None:
    """Decode a picture and write the response."""
    try:
        (width, height), rows = decode(raw)
        first = next(rows)  # raises if the mode cannot be converted
    except ValueError as error:
        reason = str(error).encode(errors="replace")
        target.write(HEADER.pack(len(reason), 0, 0) + reason)
    else:
        target.write(HEADER.pack(3 * width * height, width, height))
        target.write(first)
        target.writelines(rows)
    target.flush()


def limit_process() -> None:
    """Limit memory and forbid writing files; CPU time is limited per picture."""
    bounds = {"RLIMIT_AS": MAX_MEMORY, "RLIMIT_NOFILE": 32, "RLIMIT_FSIZE": 0, "RLIMIT_CORE": 0}
    for name, bound in bounds.items():
        kind = getattr(resource, name)
        hard = resource.getrlimit(kind)[1]
        bound = bound if hard == resource.RLIM_INFINITY else min(bound, hard)
        resource.setrlimit(kind, (bound, bound))


def main() -> None:
    """Respond to requests until stdin ends. Ctrl-C is handled by the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Image.init()
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # further threads' stacks count as memory, and processes run in parallel anyway
    if resource:
        limit_process()
    source, target = sys.stdin.buffer, sys.stdout.buffer
    target.write(HEADER.pack(0, 0, 0))
    target.flush()
    while header := source.read(HEADER.size):
        if resource:
            hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
            resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time()) + MAX_CPU_S + 1, hard))
        answer(source.read(HEADER.unpack(header)[0]), target)


if __name__ == "__main__":
    main()
