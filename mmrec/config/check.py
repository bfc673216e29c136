"""Validate a composed configuration before anything is read or built."""

import inspect
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, Unpack, get_args, get_origin, get_type_hints, is_typeddict

from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import InterpolationResolutionError

from mmrec.bounds import out_of_bounds
from mmrec.config.allowlist import allowed_prefixes, resolve
from mmrec.config.values import BESIDE_MODELS, literal, plain
from mmrec.errors import ConfigError, nearest
from mmrec.experiment.tuning.space import SEARCH, ends, search_problems
from mmrec.renames import renamed_key
from mmrec.schemas.training import Node
from mmrec.type_hints import fits, type_name

_SPECIAL = {"_target_", "_partial_", "_convert_", "_recursive_", "_args_"}


def check(cfg: DictConfig, schema: type) -> None:
    """Raise a ConfigError with all problems of a composed configuration, without reading data or building objects.

    Every value must resolve and have the type in the schema. Every `_target_` must be importable, on the allowlist (by the resolved object,
    not by its name), accept the given arguments by name and simple type, and occur where an object is allowed rather than a literal.
    Besides `ALLOWED`, targets may come from installed packages with entry points (`mmrec.plugins`) and from those in `trusted_packages`.
    """
    written = literal(cfg)
    problems = [f"{key}: {problem}" for key, problem in _unknown_keys(written, schema, "")]
    try:
        missing = OmegaConf.missing_keys(cfg) if MISSING in repr(written) else ()  # it resolves all values, which takes long
        problems += [f"{key}: a value is required; set it as `{key}=…`" for key in sorted(missing)]
        values, allowed = plain(cfg), allowed_prefixes(cfg)
        problems += [f"{key}: {problem}" for key, problem in (*_schema_problems(values, schema, ""), *_problems(values, "", allowed))]
        problems += [f"{key}: {problem}" for key, problem in out_of_bounds(written)]  # interpolations are reported at their origin
    except InterpolationResolutionError as error:
        remedy = "; set HOME or paths.cache=FOLDER" if "'HOME'" in str(error) else ""
        problems.append(f"{error.full_key}: {str(error).splitlines()[0]}{remedy}")
    if problems:
        raise ConfigError("\n".join(problems))


def _unknown_keys(values: dict[str, Any], schema: type, prefix: str) -> Iterator[tuple[str, str]]:
    """Keys that are not in the schema, which `+key=…` and files can add despite Hydra's check."""
    known = {one.name: one.type for one in fields(schema)}
    for name, value in values.items():
        if name not in known:
            now = renamed_key(f"{prefix}{name}")
            yield f"{prefix}{name}", f"it has been renamed to `{now}`" if now else f"there is no such key; {nearest(name, known)}"
        elif isinstance(kind := known[name], type) and is_dataclass(kind) and isinstance(value, dict):
            yield from _unknown_keys(value, kind, f"{prefix}{name}.")


def _schema_problems(values: dict[str, Any], schema: type, prefix: str) -> Iterator[tuple[str, str]]:
    """Values that do not have the type in the schema; the file of a run, unlike a composed configuration, has no types."""
    for one in fields(schema):
        value, key = values.get(one.name, MISSING), f"{prefix}{one.name}"
        if value == MISSING:
            continue
        if isinstance(one.type, type) and is_dataclass(one.type) and isinstance(value, dict):
            yield from _schema_problems(value, one.type, f"{key}.")
        elif one.type == Node and value is None:
            continue
        elif not fits(value, one.type) or (one.type != Node and _has_target(value)):
            yield key, f"expected {type_name(one.type)}, found `{value}`"


def _problems(node: Any, key: str, allowed: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    if isinstance(node, list):
        for position, child in enumerate(node):
            yield from _problems(child, f"{key}[{position}]", allowed)
    if not isinstance(node, dict):
        return
    if "_target_" in node:
        yield from _target_problems(node, key, allowed)
    tried = _tried_in_parts(node)
    for name, child in node.items():
        yield from _problems(child | tried[name] if name in tried else child, f"{key}.{name}" if key else name, allowed)


def _tried_in_parts(node: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The search spaces of nested nodes: `space: {model: {n_layers: [1, 2]}}` contains the space of the node `model`."""
    space = node.get("space") if "_target_" in node else None
    inside = {name: values for name, values in space.items() if isinstance(values, dict)} if isinstance(space, dict) else {}
    return {name: {"space": inside[name], "n_trials": node.get("n_trials")} for name in inside if isinstance(node.get(name), dict)}


def _target_problems(node: dict[str, Any], key: str, allowed: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    try:
        target = resolve(node["_target_"], allowed)
    except ConfigError as error:
        yield f"{key}._target_", str(error)
        return
    takes, needs, takes_all = _taken(target)
    beside = BESIDE_MODELS if key == "model" or key.startswith("baselines.") else SEARCH
    given = {name: [value] for name, value in node.items() if name not in _SPECIAL | beside}
    if isinstance(space := node.get("space", {}), dict):
        space = {name: values for name, values in space.items() if name not in _tried_in_parts(node)}
    yield from search_problems(node | ({"space": space} if "space" in node else {}), key)
    if isinstance(space, dict):
        given |= {name: ends(values) for name, values in space.items() if isinstance(values, list)}
    for name in given:
        if name not in takes and not takes_all:
            yield f"{key}.{name}", f"{target.__qualname__} takes no `{name}`; {nearest(name, takes)}"
    if not node.get("_partial_"):
        yield from ((f"{key}.{name}", f"{target.__qualname__} requires it") for name in needs if name not in given)
    for name, values in given.items():
        for one in values:
            if name in takes and one != MISSING and not (fits(one, takes[name]) and (not _has_target(one) or _takes_objects(takes[name]))):
                yield f"{key}.{name}", f"expected {type_name(takes[name])}, found `{one}`"


def _taken(target: Any) -> tuple[dict[str, Any], list[str], bool]:
    """The parameters of a target with their types, the required ones, and whether it accepts arbitrary keywords.

    `**more: Unpack[Keys]` stands for the keys of that TypedDict.
    """
    takes: dict[str, Any] = {}
    needs: list[str] = []
    takes_all, hints = False, _type_hints(target)
    for name, one in inspect.signature(target).parameters.items():
        hint = hints.get(name, Any)
        if one.kind is one.VAR_KEYWORD and get_origin(hint) is Unpack:
            takes |= get_type_hints(get_args(hint)[0])
        elif one.kind is one.VAR_KEYWORD:
            takes_all = True
        elif one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY):
            takes[name] = hint
            needs += [name] if one.default is one.empty else []
    return takes, needs, takes_all


def _type_hints(target: Any) -> dict[str, Any]:
    try:
        return get_type_hints(target.__init__ if inspect.isclass(target) else target)
    except (NameError, TypeError):
        return {}


def _has_target(value: Any) -> bool:
    """Whether an object would be built from the value or a part of it."""
    if isinstance(value, list):
        return any(map(_has_target, value))
    return isinstance(value, dict) and ("_target_" in value or any(map(_has_target, value.values())))


def _takes_objects(hint: Any) -> bool:
    """Whether a type hint includes anything but literals: scalars, and lists and dicts of them."""
    if hint in (str, int, float, bool, Path, type(None), ...) or is_typeddict(hint) or get_origin(hint) is Literal:
        return False
    arguments = get_args(hint)
    return not arguments or any(map(_takes_objects, arguments))
