"""The process in which pictures are decoded: started by its path, it knows Pillow and the standard library, and nothing of mmrec.

Nobody has vouched for the pictures, and decoders are large C libraries. Here they have a share of memory and time that is enough for
`MAX_PIXELS`, can write no file, and take nothing with them when they die. Messages, on stdin and stdout, start with a `HEADER`:

    asked     HEADER(len, 0, 0)         the bytes of a file
    answered  HEADER(3 * w * h, w, h)   the rows of the picture, RGB
              HEADER(len, 0, 0)         why there is none, in UTF-8

The first answer, a header of zeros, is to no question: it says that the process is ready.
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
    sys.path.append(sys.argv[1])  # where the parent has its Pillow: nothing else of its packages runs

from PIL import AvifImagePlugin, Image, ImageOps, UnidentifiedImageError

try:
    import resource
except ImportError:  # Windows: no limits
    resource = None  # type: ignore[assignment]  # mypy gives the name the type of the module

MAX_PIXELS = 25_000_000
MAX_ASPECT = 50
"""Longer side to shorter: beyond, resizing the shorter side to what an encoder takes would blow up the longer one."""
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF")
"""Pictures of the web. Pillow knows more formats, some of which start other programs."""
MAX_CPU_S = 20
"""Of one picture. `MAX_PIXELS` take two at most."""
MAX_MEMORY = 640 * 2**20
"""Bytes of address space. `MAX_PIXELS` take 420 MB at most, as WEBP."""
HEADER = struct.Struct(">QII")
_STRIP_PIXELS = 2**18
_DAMAGE = (OSError, SyntaxError, EOFError, LookupError, TypeError, AttributeError, OverflowError)
"""All of these come out of Pillow's decoders on bad bytes."""


def decode(raw: bytes) -> tuple[tuple[int, int], Iterator[bytes]]:
    """Width and height of the picture in `raw`, and its rows as RGB, some at a time.

    That is the first frame of an animation, turned upright by its EXIF tag, transparency on white, the upper 8 of 16 bits.

    Raises ValueError for bytes that are no picture or are cut short and, before anything is decoded, for more than `MAX_PIXELS` or
    `MAX_ASPECT`.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of palettes and metadata that change nothing here
            picture = Image.open(io.BytesIO(raw), formats=FORMATS)
            _check_size(*picture.size)
            picture.load()
            ImageOps.exif_transpose(picture, in_place=True)
            return picture.size, _rows(picture)
    except UnidentifiedImageError as error:
        raise ValueError(f"the bytes are no picture ({', '.join(FORMATS)})") from error
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
        raise ValueError(f"the picture is a strip of {width} x {height} pixels, sides more than {MAX_ASPECT} to 1")


def _rows(picture: Image.Image) -> Iterator[bytes]:
    """Converted in strips: no second picture beside the one that was decoded."""
    if picture.mode in ("I", "F"):
        raise ValueError("the picture has numbers of 32 bits for pixels, whose range nobody knows")
    width, height = picture.size
    if width * height <= _STRIP_PIXELS:
        return iter([_as_rgb(picture).tobytes()])
    n_rows = max(1, _STRIP_PIXELS // width)
    strips = (picture.crop((0, top, width, min(top + n_rows, height))) for top in range(0, height, n_rows))
    return (_as_rgb(strip).tobytes() for strip in strips)


def _as_rgb(strip: Image.Image) -> Image.Image:
    if strip.mode.startswith("I;16"):
        strip = Image.frombytes("L", strip.size, strip.tobytes()[strip.mode == "I;16" :: 2])  # big-endian by its name, I;16B
    if not strip.has_transparency_data:
        return strip if strip.mode == "RGB" else strip.convert("RGB")
    strip = strip.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", strip.size, "white"), strip).convert("RGB")


def answer(raw: bytes, target: BinaryIO) -> None:
    """Writes what has become of the picture."""
    try:
        (width, height), rows = decode(raw)
        first = next(rows)  # whatever a mode cannot be converted to is known after this
    except ValueError as error:
        reason = str(error).encode(errors="replace")
        target.write(HEADER.pack(len(reason), 0, 0) + reason)
    else:
        target.write(HEADER.pack(3 * width * height, width, height))
        target.write(first)
        target.writelines(rows)
    target.flush()


def limit_process() -> None:
    """Bounds memory, and forbids writing files; the CPU time is bounded picture by picture."""
    bounds = {"RLIMIT_AS": MAX_MEMORY, "RLIMIT_NOFILE": 32, "RLIMIT_FSIZE": 0, "RLIMIT_CORE": 0}
    for name, bound in bounds.items():
        kind = getattr(resource, name)
        hard = resource.getrlimit(kind)[1]
        bound = bound if hard == resource.RLIM_INFINITY else min(bound, hard)
        resource.setrlimit(kind, (bound, bound))


def main() -> None:
    """Answers until stdin ends. Ctrl-C is the parent's to handle."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Image.init()
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # the stacks of more would count as memory, and pictures are decoded side by side as it is
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
