"""Checkpoints: a folder of safetensors and JSON under a manifest of hashes. It is there whole or not at all, and shows any damage.

    tensors.safetensors   every tensor, under its path in the state
    state.json            everything else, with a mark where a tensor belongs
    manifest.json         bytes and sha256 of the two, written last

A write is: a folder beside the target, its files one by one with fsync, rename, fsync of the folder above. Nothing that is read runs code.
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
_MARK = "$"  # an object of state.json with this key stands for what JSON has not
_KINDS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def write_checkpoint(folder: Path, state: Any) -> None:
    """Writes nested dicts, lists, tuples, tensors and scalars to `folder`, replacing what is there.

    Raises StorageError where the disk is full or refuses, and then leaves nothing behind; TypeError for any other kind of value.
    """
    tensors: dict[str, Tensor] = {}
    tree = _encode(state, "", tensors)
    try:
        _write(folder, tree, tensors)
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise StorageError(f"the checkpoint {folder} could not be written: {reason}; those before it are as they were") from error


def read_checkpoint(folder: Path) -> Any:
    """What `write_checkpoint` was given, tensors on the CPU.

    Raises DamagedCheckpoint that names the file that is not as it was written, or was never written by `write_checkpoint`.
    """
    check_checkpoint(folder)
    try:
        tensors = safetensors.torch.load_file(folder / TENSORS)
        return _decode(json.loads((folder / STATE).read_text(encoding="utf-8")), tensors)
    except (SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DamagedCheckpoint(f"{folder}: its hashes are right, but it holds no checkpoint: {error}") from error


def check_checkpoint(folder: Path) -> None:
    """Compares every file with the manifest. Raises DamagedCheckpoint for one that is missing or has another hash."""
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
    """As `check_checkpoint`, and compares names and shapes of the checkpoint's `state_dict` with a model's, reading none of its numbers.

    What is in `may_lack` need not be there.
    """
    check_checkpoint(folder)
    try:
        with safetensors.safe_open(folder / TENSORS, framework="pt") as file:
            paths = [path for path in file.keys() if path.startswith(_WEIGHTS)]  # noqa: SIM118, it is no dict
            found = {path.removeprefix(_WEIGHTS): tuple(file.get_slice(path).get_shape()) for path in paths}
    except SafetensorError as error:
        raise DamagedCheckpoint(f"{folder / TENSORS}: its hash is right, but it holds no tensors: {error}") from error
    shapes = {name: tuple(value.shape) for name, value in expected.items() if isinstance(value, Tensor)}
    for name in sorted((shapes.keys() - set(may_lack)) | found.keys()):
        if shapes.get(name) != found.get(name):
            there, wanted = (f"shape {list(of[name])}" if name in of else "none" for of in (found, shapes))
            raise DamagedCheckpoint(f"{folder / TENSORS}: `{name}`: expected {wanted}, found {there}; it is of another model")


def newest_sound(folders: Iterable[Path], check: Callable[[Path], None] = check_checkpoint) -> tuple[Path | None, list[DamagedCheckpoint]]:
    """The last of `folders`, oldest first, that is as it was written, and what is wrong with those after it."""
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
    """Removes what a write that was killed has left under `parent`."""
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
    """Puts a complete folder in its place; what was there goes only once it has a successor."""
    if folder.exists():
        before = temporary_beside(folder.with_name(f"{folder.name}.before"))
        folder.rename(before)
        temporary.rename(folder)
        shutil.rmtree(before, ignore_errors=True)
    else:
        temporary.rename(folder)
    sync_folder(folder.parent)


def _encode(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    """The value as JSON; its tensors are collected under their paths."""
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
    raise TypeError(f"{path}: a checkpoint holds tensors and plain values, came {type(value).__qualname__}")


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
    """The tensors on the CPU, contiguous, none sharing memory with another: safetensors asks for it."""
    separate, taken = {}, set()
    for name, tensor in tensors.items():
        alone = tensor.cpu().contiguous()
        storage = alone.untyped_storage()
        if storage.data_ptr() in taken or storage.nbytes() != alone.nbytes:
            alone = alone.clone(memory_format=torch.contiguous_format)
        taken.add(alone.untyped_storage().data_ptr())
        separate[name] = alone
    return separate
