"""Compressed files: read as what they hold, unless that is out of all proportion to what they are."""

import io
from pathlib import Path

import pyarrow as pa

from mmrec.errors import DataError

COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
MAX_RATIO = 200
"""Of what a file holds to its size. Tables of interactions and texts have 3 to 20."""
ALWAYS_ALLOWED = 64 * 2**20
"""Bytes that any file may hold."""
_BLOCK = 2**20


def open_bytes(path: Path) -> io.BufferedIOBase:
    """The bytes of a file, decompressed as its suffix says."""
    return io.BufferedReader(pa.input_stream(str(path), compression=COMPRESSIONS.get(path.suffix)))


def check_compressed(path: Path) -> None:
    """Unpacks a compressed file without keeping anything of it; any other is left alone.

    Raises DataError where it is damaged, or holds more than `ALWAYS_ALLOWED` and than `MAX_RATIO` times its size: that is made to fill the
    memory of whoever reads it.
    """
    if path.suffix not in COMPRESSIONS:
        return
    allowed, n_bytes, block = max(ALWAYS_ALLOWED, MAX_RATIO * path.stat().st_size), 0, bytearray(_BLOCK)
    try:
        with pa.input_stream(str(path), compression=COMPRESSIONS[path.suffix]) as file:
            while n_bytes <= allowed and (n := file.readinto(block)):
                n_bytes += n
    except OSError as error:
        raise DataError(f"{path}: expected a {COMPRESSIONS[path.suffix]} file, found a damaged one or none: {error}") from None
    if n_bytes > allowed:
        raise DataError(f"{path}: holds more than {MAX_RATIO} times its size, which no table does; unpack it yourself if you trust it")
