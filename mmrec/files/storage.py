"""Writing that survives a kill, and hashing by content.

A write is: temporary file beside the target, fsync, rename, fsync of the folder. A reader sees the old file or the new one, never a part.
What a killed process left of one is removed by the next write into the same folder.
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
    """Calls `write` with a temporary path beside `target`, then moves it into place durably. Makes missing folders."""
    temporary = temporary_beside(target)
    try:
        write(temporary)
        temporary.chmod(0o666 & ~_umask())  # safetensors makes files that only their owner may read
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(target.parent)


def write_folder(target: Path, write: Callable[[Path], _T]) -> _T:
    """Calls `write` with a temporary folder beside `target`, then moves it into place durably, as a whole; gives what `write` gives.

    Raises OSError where `target` is there by then, and is no empty folder.
    """
    temporary = temporary_beside(target)
    try:
        temporary.mkdir()
        made = write(temporary)
        for path in (*temporary.rglob("*"), temporary):
            sync_folder(path)  # of a file, its content
        os.rename(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    sync_folder(target.parent)
    return made


def temporary_beside(target: Path) -> Path:
    """A name for what this process will move to `target`. Makes missing folders, and removes what killed processes of this machine left."""
    target.parent.mkdir(parents=True, exist_ok=True)
    for path in target.parent.glob(f".*.{_HOST}.*.tmp"):
        pid = path.name.split(".")[-2]
        if pid.isdecimal() and not _is_alive(int(pid)):
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
    return target.with_name(f".{target.name}.{_HOST}.{os.getpid()}.tmp")


def check_writable(folder: Path, key: str) -> None:
    """Raises StorageError, naming the key, where a folder that is there or is to be made takes no files. Leaves nothing behind."""
    try:
        there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
        with TemporaryDirectory(prefix=".writable-", dir=there):
            pass
    except OSError as error:
        raise StorageError(f"{key}: {folder} cannot be written ({error.strerror}); name a folder that can, or make room for it") from None


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder durable."""
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
    """UTF-8 text, atomically."""
    write_atomic(target, lambda path: path.write_text(text, encoding="utf-8"))


def write_json(target: Path, value: Any) -> None:
    """JSON in the order of the caller, atomically. Raises ValueError for NaN and infinity, which JSON has not."""
    write_text(target, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_parquet(target: Path, frame: pl.DataFrame) -> None:
    """A table as Parquet, atomically."""
    write_atomic(target, lambda path: frame.write_parquet(path))


def write_tensors(target: Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """safetensors; `metadata` is text to text, as the format asks."""
    write_atomic(target, lambda path: safetensors.torch.save_file(tensors, path, metadata))


def sha256_file(path: Path) -> str:
    """sha256 hex of a file's bytes, read in blocks."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_tensors(tensors: Mapping[str, Tensor]) -> str:
    """sha256 hex of names, types, shapes and bytes, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def sha256_text(*parts: str) -> str:
    """sha256 hex of texts, each preceded by its length so that no two lists of parts collide."""
    digest = hashlib.sha256()
    for part in parts:
        raw = part.encode()
        digest.update(len(raw).to_bytes(8, "little") + raw)
    return digest.hexdigest()


def sha256_frame(frame: pl.DataFrame) -> str:
    """sha256 hex of a table's column names and values, the same wherever and however it was written."""
    digest = FrameDigest()
    digest.add(frame)
    return digest.hash


class FrameDigest:
    """`sha256_frame` of a table whose rows come in pieces; there must be one, if an empty one."""

    def __init__(self) -> None:
        self._digest, self._has_header = hashlib.sha256(), False

    def add(self, frame: pl.DataFrame) -> None:
        """The next rows."""
        self._digest.update(frame.write_csv(include_header=not self._has_header).encode())
        self._has_header = True

    @property
    def hash(self) -> str:
        return self._digest.hexdigest()


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file of a run folder. Raises MissingFile, DataError."""
    if not path.exists():
        raise MissingFile(f"{path}: not found; a run folder holds run.json and metrics.json, is {path.parent} one?")
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
        return content
    except json.JSONDecodeError as error:
        raise DataError(f"{path}:{error.lineno}:{error.colno}: expected JSON: {error.msg}") from error
    except (ValueError, RecursionError) as error:  # no UTF-8, or nested without end
        raise DataError(f"{path}: expected JSON: {error}") from error


def _refuse_constant(name: str) -> None:
    """Python reads NaN and Infinity, which JSON has not and mmrec never writes."""
    raise ValueError(f"{name} is not a number")
