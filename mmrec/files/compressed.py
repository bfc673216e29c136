"""Files that hold more than their size: read as what they hold, unless that is out of all proportion."""

import io
from pathlib import Path

import pyarrow as pa

from mmrec.errors import DataError
from mmrec.files.limits import DEFAULTS, Limits, key_of

COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
ALWAYS_ALLOWED = 64 * 2**20
"""Bytes that any file may hold. Beyond, `Limits.expansion` counts: tables of interactions and texts hold 3 to 20 times their size."""
_BLOCK = 2**20
_BYTES_A_DISK_BLOCK = 512
"""In which a file system counts what a file takes, whatever its own blocks are."""


def open_bytes(path: Path) -> io.BufferedReader:
    """The bytes of a file, decompressed as its suffix says."""
    return io.BufferedReader(pa.input_stream(str(path), compression=COMPRESSIONS.get(path.suffix)))


def n_allowed(path: Path, limits: Limits) -> int:
    """How many bytes a file may hold."""
    return max(ALWAYS_ALLOWED, limits.expansion * path.stat().st_size)


def too_much(path: Path, limits: Limits) -> DataError:
    """The error for a file that holds more: it was made to fill the memory of whoever reads it."""
    return DataError(
        f"{path}: holds more than {limits.expansion} times its size, which no table does; if you trust it, raise {key_of('expansion')}"
    )


def check_holes(path: Path, limits: Limits = DEFAULTS) -> None:
    """Raises DataError for a file most of which was never written: what is not on disk is read as zeros, as many as it says."""
    found = path.stat()
    on_disk = getattr(found, "st_blocks", None)  # Windows does not tell
    if on_disk is not None and found.st_size > max(ALWAYS_ALLOWED, limits.expansion * on_disk * _BYTES_A_DISK_BLOCK):
        raise DataError(
            f"{path}: says that it has {found.st_size:,} bytes, of which {on_disk * _BYTES_A_DISK_BLOCK:,} are on disk and the rest is a "
            f"hole, more than {limits.expansion} times as many; write it anew, or raise {key_of('expansion')}"
        )


def check_compressed(path: Path, limits: Limits = DEFAULTS) -> None:
    """Unpacks a compressed file without keeping anything of it; any other is left alone.

    Raises DataError where it is damaged, or holds more than `ALWAYS_ALLOWED` and than `limits.expansion` times its size.
    """
    if path.suffix not in COMPRESSIONS:
        return
    allowed, n_bytes, block = n_allowed(path, limits), 0, bytearray(_BLOCK)
    try:
        with pa.input_stream(str(path), compression=COMPRESSIONS[path.suffix]) as file:
            while n_bytes <= allowed and (n := file.readinto(block)):
                n_bytes += n
    except OSError as error:
        raise DataError(f"{path}: expected a {COMPRESSIONS[path.suffix]} file, found a damaged one or none: {error}") from None
    if n_bytes > allowed:
        raise too_much(path, limits)
