"""Write files atomically and durably, and hash them by content.

A file is written to a temporary file next to the target, followed by fsync, rename, and fsync of the folder. Readers see either the old or
the new file. Remains of killed processes are removed by the next write to the same folder.
"""

import hashlib
import json
import os
import platform
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import polars as pl
import safetensors.torch
import torch
from torch import Tensor

from mmrec.errors import DataError, MissingFile, StorageError

_T = TypeVar("_T")
_HOST = re.sub(r"[^A-Za-z0-9-]", "-", platform.node()) or "localhost"


def write_atomic(target: Path, write: Callable[[Path], object]) -> None:
    """Call `write` with a temporary path next to `target`, then move it into place durably. Creates missing folders."""
    temporary = temporary_beside(target)
    try:
        write(temporary)
        temporary.chmod(0o666 & ~_umask())  # safetensors creates files that only the owner may read
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(target.parent)


def write_folder(target: Path, write: Callable[[Path], _T]) -> _T:
    """Call `write` with a temporary folder next to `target`, then move it into place durably as a whole.

    Returns:
        The result of `write`.

    Raises:
        OSError: `target` exists by then and is not an empty folder.
    """
    temporary = temporary_beside(target)
    try:
        temporary.mkdir()
        made = write(temporary)
        for path in (*temporary.rglob("*"), temporary):
            sync_folder(path)  # for files, this syncs their content
        os.rename(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    sync_folder(target.parent)
    return made


def temporary_beside(target: Path) -> Path:
    """A temporary path to be moved to `target`. Creates missing folders, and removes remains of killed processes of this machine."""
    target.parent.mkdir(parents=True, exist_ok=True)
    for path in target.parent.glob(f".*.{_HOST}.*.tmp"):
        pid = path.name.split(".")[-2]
        if pid.isdecimal() and not _is_alive(int(pid)):
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
    return target.with_name(f".{target.name}.{_HOST}.{os.getpid()}.tmp")


def check_writable(folder: Path, key: str) -> None:
    """Raise StorageError, naming the key, if a folder, which may not exist yet, is not writable. Leaves nothing behind."""
    try:
        there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
        with TemporaryDirectory(prefix=".writable-", dir=there):
            pass
    except OSError as error:
        raise StorageError(f"{key}: {folder} cannot be written ({error.strerror}); choose a writable folder, or free space") from None


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def sync_folder(folder: Path) -> None:
    """Make the entries of a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_text(target: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    write_atomic(target, lambda path: path.write_text(text, encoding="utf-8"))


def write_json(target: Path, value: Any) -> None:
    """Write JSON atomically, with keys in the given order. Raises ValueError for NaN and infinity, which are not JSON."""
    write_text(target, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_parquet(target: Path, frame: pl.DataFrame) -> None:
    """Write a table as Parquet atomically."""
    write_atomic(target, lambda path: frame.write_parquet(path))


def write_tensors(target: Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write tensors as safetensors atomically, with optional text metadata.

    The library writes to a temporary file of its own beside the path that it is given, and is therefore given one in a temporary folder,
    whose remains are removed if the process is killed.
    """
    folder = temporary_beside(target.with_name(f"{target.name}.folder"))
    try:
        folder.mkdir()
        safetensors.torch.save_file(tensors, folder / target.name, metadata)
        write_atomic(target, lambda path: os.replace(folder / target.name, path))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sha256_file(path: Path) -> str:
    """The SHA-256 (hex) of a file's content, read in blocks."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_tensors(tensors: Mapping[str, Tensor]) -> str:
    """The SHA-256 (hex) of tensors: names, dtypes, shapes and bytes, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def sha256_text(*parts: str) -> str:
    """The SHA-256 (hex) of texts, each preceded by its length, so that different lists of parts do not collide."""
    digest = hashlib.sha256()
    for part in parts:
        raw = part.encode()
        digest.update(len(raw).to_bytes(8, "little") + raw)
    return digest.hexdigest()


def sha256_frame(frame: pl.DataFrame) -> str:
    """The SHA-256 (hex) of a table's column names and values, independent of how it was stored."""
    digest = FrameDigest()
    digest.add(frame)
    return digest.hash


class FrameDigest:
    """Computes `sha256_frame` of a table that is added in pieces; at least one, possibly empty, is required."""

    def __init__(self) -> None:
        self._digest, self._has_header = hashlib.sha256(), False

    def add(self, frame: pl.DataFrame) -> None:
        """Add the next rows."""
        self._digest.update(frame.write_csv(include_header=not self._has_header).encode())
        self._has_header = True

    @property
    def hash(self) -> str:
        return self._digest.hexdigest()


def read_json(path: Path) -> Any:
    """Read a JSON file of a run folder, whose content is not checked.

    Raises:
        MissingFile: the file does not exist.
        DataError: it is not valid JSON.
    """
    if not path.exists():
        raise MissingFile(f"{path}: not found; a run folder has run.json and metrics.json; is {path.parent} one?")
    try:
        return json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise DataError(f"{path}:{error.lineno}:{error.colno}: expected JSON: {error.msg}") from error
    except (ValueError, RecursionError) as error:  # not UTF-8, or nested too deeply
        raise DataError(f"{path}: expected JSON: {error}") from error


def _refuse_constant(name: str) -> None:
    """Reject NaN and Infinity, which Python reads but are not JSON."""
    raise ValueError(f"{name} is not a number")
