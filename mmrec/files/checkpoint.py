"""Checkpoints: folders of safetensors and JSON with a manifest of hashes, written atomically and verified when read.

    tensors.safetensors   every tensor, under its path in the state
    state.json            everything else, with placeholders for the tensors
    manifest.json         size and SHA-256 of both files, written last

The files are written with fsync to a folder next to the target, which is then renamed. Reading never executes code.
"""

import json
import math
import shutil
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from mmrec.errors import DamagedCheckpoint, StorageError
from mmrec.files.storage import sha256_file, sync_folder, temporary_beside, write_json, write_tensors

TENSORS, STATE, MANIFEST = "tensors.safetensors", "state.json", "manifest.json"
_FORMAT = 1
_WEIGHTS = "state_dict/"
_MARK = "$"  # the key of objects in state.json that encode values without a JSON equivalent
_KINDS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def write_checkpoint(folder: Path, state: Any) -> None:
    """Write nested dicts, lists, tuples, tensors and scalars to `folder`, replacing an existing checkpoint.

    Raises:
        StorageError: the files cannot be written; nothing is left behind.
        TypeError: the state contains another type.
    """
    tensors: dict[str, Tensor] = {}
    tree = _encode(state, "", tensors)
    try:
        _write(folder, tree, tensors)
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise StorageError(f"the checkpoint {folder} could not be written: {reason}; earlier ones are unchanged") from error


def read_checkpoint(folder: Path) -> Any:
    """Read the state that was passed to `write_checkpoint`, with tensors on the CPU.

    Raises:
        DamagedCheckpoint: a file is missing, was modified or was not written by `write_checkpoint`; the message names it.
    """
    check_checkpoint(folder)
    try:
        tensors = safetensors.torch.load_file(folder / TENSORS)
        return _decode(json.loads((folder / STATE).read_text(encoding="utf-8")), tensors)
    except (SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DamagedCheckpoint(f"{folder}: its hashes match, but it is not a checkpoint: {error}") from error


def check_checkpoint(folder: Path) -> None:
    """Compare all files with the manifest. Raises DamagedCheckpoint if one is missing or has another hash."""
    if not _is_own_file(folder / MANIFEST):
        raise DamagedCheckpoint(f"{folder / MANIFEST}: there is no such file; the checkpoint is incomplete")
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        expected = {name: manifest["files"][name]["sha256"] for name in (TENSORS, STATE)}
    except (ValueError, KeyError, TypeError, RecursionError):
        raise DamagedCheckpoint(f"{folder / MANIFEST}: expected a manifest with the sha256 of {TENSORS} and {STATE}") from None
    for name, hash_then in expected.items():
        if not _is_own_file(folder / name):
            raise DamagedCheckpoint(f"{folder / name}: expected a file with sha256 {hash_then}, and there is none")
        if (hash_now := sha256_file(folder / name)) != hash_then:
            raise DamagedCheckpoint(f"{folder / name}: expected sha256 {hash_then}, found {hash_now}")


def _is_own_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def check_weights(folder: Path, expected: Mapping[str, Tensor], may_lack: Collection[str] = ()) -> None:
    """Verify a checkpoint, and compare the names and shapes in its `state_dict` with those of a model, without reading the tensors.

    Args:
        folder: the checkpoint.
        expected: the model's `state_dict`.
        may_lack: names that the checkpoint need not contain.

    Raises:
        DamagedCheckpoint: as `check_checkpoint`, or names or shapes differ.
    """
    check_checkpoint(folder)
    try:
        with safetensors.safe_open(folder / TENSORS, framework="pt") as file:
            paths = [path for path in file.keys() if path.startswith(_WEIGHTS)]  # noqa: SIM118, not a dict
            found = {path.removeprefix(_WEIGHTS): tuple(file.get_slice(path).get_shape()) for path in paths}
    except SafetensorError as error:
        raise DamagedCheckpoint(f"{folder / TENSORS}: its hash matches, but it has no tensors: {error}") from error
    shapes = {name: tuple(value.shape) for name, value in expected.items() if isinstance(value, Tensor)}
    for name in sorted((shapes.keys() - set(may_lack)) | found.keys()):
        if shapes.get(name) != found.get(name):
            there, wanted = (f"shape {list(of[name])}" if name in of else "none" for of in (found, shapes))
            raise DamagedCheckpoint(f"{folder / TENSORS}: `{name}`: expected {wanted}, found {there}; it is of another model")


def newest_sound(folders: Iterable[Path], check: Callable[[Path], None] = check_checkpoint) -> tuple[Path | None, list[DamagedCheckpoint]]:
    """The last valid one of `folders`, which are ordered from oldest to newest, and the errors of those after it."""
    problems = []
    for folder in reversed(list(folders)):
        try:
            check(folder)
        except DamagedCheckpoint as error:
            problems.append(error)
        else:
            return folder, problems
    return None, problems


def remove_leftovers(parent: Path) -> None:
    """Remove temporary files that a killed process left in `parent`."""
    for path in parent.glob(".*.tmp"):
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def _write(folder: Path, tree: Any, tensors: dict[str, Tensor]) -> None:
    temporary = temporary_beside(folder)
    try:
        temporary.mkdir()
        write_tensors(temporary / TENSORS, _separate(tensors))
        write_json(temporary / STATE, tree)
        files = {name: {"bytes": (temporary / name).stat().st_size, "sha256": sha256_file(temporary / name)} for name in (TENSORS, STATE)}
        write_json(temporary / MANIFEST, {"format": _FORMAT, "files": files})
        _move(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _move(temporary: Path, folder: Path) -> None:
    """Move a complete folder to its place; an existing one is removed only after it was replaced."""
    if folder.exists():
        before = temporary_beside(folder.with_name(f"{folder.name}.before"))
        folder.rename(before)
        temporary.rename(folder)
        shutil.rmtree(before, ignore_errors=True)
    else:
        temporary.rename(folder)
    sync_folder(folder.parent)


def _encode(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    """Encode a value as JSON, and collect its tensors by path."""
    if isinstance(value, Tensor):
        while path in tensors:
            path += "'"
        tensors[path] = value.detach()
        return {_MARK: "tensor", "name": path}
    if value is None or type(value) in (bool, int, str):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {_MARK: "float", "value": str(float(value))}
    if isinstance(value, dict):
        encoded = [(key, _encode(child, f"{path}/{key}" if path else str(key), tensors)) for key, child in value.items()]
        if all(isinstance(key, str) and key != _MARK for key in value):
            return dict(encoded)
        return {_MARK: "dict", "items": [[_encode(key, f"{path}/", tensors), child] for key, child in encoded]}
    if isinstance(value, list | tuple):
        items = [_encode(child, f"{path}/{position}", tensors) for position, child in enumerate(value)]
        return items if isinstance(value, list) else {_MARK: "tuple", "items": items}
    raise TypeError(f"{path}: a checkpoint holds tensors and plain values, found {type(value).__qualname__}")


def _decode(node: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(node, list):
        return [_decode(child, tensors) for child in node]
    if not isinstance(node, dict):
        return node
    kind = node.get(_MARK)
    if kind == "tensor":
        return tensors[node["name"]]
    if kind == "float":
        return _KINDS[node["value"]]
    if kind == "dict":
        return {_decode(key, tensors): _decode(child, tensors) for key, child in node["items"]}
    if kind == "tuple":
        return tuple(_decode(child, tensors) for child in node["items"])
    return {key: _decode(child, tensors) for key, child in node.items()}


def _separate(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Copy tensors to the CPU, contiguous and without shared memory, as safetensors requires."""
    separate, taken = {}, set()
    for name, tensor in tensors.items():
        alone = tensor.cpu().contiguous()
        storage = alone.untyped_storage()
        if storage.data_ptr() in taken or storage.nbytes() != alone.nbytes:
            alone = alone.clone(memory_format=torch.contiguous_format)
        taken.add(alone.untyped_storage().data_ptr())
        separate[name] = alone
    return separate
