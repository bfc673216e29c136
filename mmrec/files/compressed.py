"""Read compressed files, and reject those that expand out of proportion."""

import io
from pathlib import Path

from mmrec.errors import DataError
from mmrec.files.limits import DEFAULTS, Limits, key_of

COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
ALWAYS_ALLOWED = 64 * 2**20
"""The expanded size in bytes that is always accepted. Above, `Limits.expansion` applies: real tables expand 3 to 20 times."""
_BLOCK = 2**20
_BYTES_A_DISK_BLOCK = 512
"""The unit of `st_blocks`, whatever the block size of the file system."""


def open_bytes(path: Path) -> io.BufferedReader:
    """Open a file for reading, decompressing it according to its suffix."""
    import pyarrow as pa  # takes a second to import, and messages about paths come through here

    return io.BufferedReader(pa.input_stream(str(path), compression=COMPRESSIONS.get(path.suffix)))


def n_allowed(path: Path, limits: Limits) -> int:
    """The number of bytes that a file may expand to."""
    return max(ALWAYS_ALLOWED, limits.expansion * path.stat().st_size)


def too_much(path: Path, limits: Limits) -> DataError:
    """The error for a file that expands to more, which may be intended to exhaust memory."""
    return DataError(
        f"{path}: holds more than {limits.expansion} times its size, which no table does; if you trust it, raise {key_of('expansion')}"
    )


def check_holes(path: Path, limits: Limits = DEFAULTS) -> None:
    """Raise DataError for sparse files that are mostly holes: unwritten parts take no space on disk but are read as zeros."""
    found = path.stat()
    on_disk = getattr(found, "st_blocks", None)  # not available on Windows
    if on_disk is not None and found.st_size > max(ALWAYS_ALLOWED, limits.expansion * on_disk * _BYTES_A_DISK_BLOCK):
        raise DataError(
            f"{path}: says that it has {found.st_size:,} bytes, of which {on_disk * _BYTES_A_DISK_BLOCK:,} are on disk and the rest is a "
            f"hole, more than {limits.expansion} times as many; write it anew, or raise {key_of('expansion')}"
        )


def check_compressed(path: Path, limits: Limits = DEFAULTS) -> None:
    """Decompress a file to test it, without keeping the content; uncompressed files are accepted as they are.

    Raises:
        DataError: the file is damaged, or expands to more than both `ALWAYS_ALLOWED` and `limits.expansion` times its size.
    """
    if path.suffix not in COMPRESSIONS:
        return
    import pyarrow as pa

    allowed, n_bytes, block = n_allowed(path, limits), 0, bytearray(_BLOCK)
    try:
        with pa.input_stream(str(path), compression=COMPRESSIONS[path.suffix]) as file:
            while n_bytes <= allowed and (n := file.readinto(block)):
                n_bytes += n
    except OSError as error:
        raise DataError(f"{path}: expected a {COMPRESSIONS[path.suffix]} file, found a damaged one or none: {error}") from None
    if n_bytes > allowed:
        raise too_much(path, limits)
