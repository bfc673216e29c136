"""From a composed configuration to objects: the schema, the check before anything is read, and the building.

Beside the entry points this is the only place that sees a DictConfig. Nothing else in mmrec takes a config: constructors take plain values.
"""

import inspect
import types
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, Union, Unpack, get_args, get_origin, get_type_hints, is_typeddict

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import InterpolationResolutionError

from mmrec.bounds import out_of_bounds
from mmrec.errors import ConfigError, MmrecError, nearest
from mmrec.experiment.tuning.space import SEARCH, ends, search_problems
from mmrec.plugins import trusted_packages
from mmrec.schemas import Node

_LIGHTNING = ("Trainer", "trainer.trainer.", "callbacks.", "loggers.", "plugins.", "profilers.", "strategies.")  # others read pickles
ALLOWED = (
    "mmrec.data.sources.",
    "mmrec.data.folder.read.",
    "mmrec.files.limits.",
    "mmrec.data.interactions.split.",
    "mmrec.nn.",
    "mmrec.models.",
    "mmrec.losses.",
    "mmrec.tasks.",
    "data_modules.",
    *(f"lightning.pytorch.{part}" for part in _LIGHTNING),
    "torch.optim.",
    "torch.nn.modules.",
)
"""Where a `_target_` may come from: packages whose public names build things, and neither fetch, write nor run programs on being called."""
_BESIDE_MODELS = SEARCH | {"name"}
"""The keys of a model's node that are not its arguments."""
_SPECIAL = {"_target_", "_partial_", "_convert_", "_recursive_", "_args_"}


def check(cfg: DictConfig, schema: type) -> None:
    """Raises ConfigError that lists everything wrong with a composed configuration; reads no data, builds no object.

    Every value must resolve and be of the schema's type. Every `_target_` must be importable, from our allowlist (of the object found, not
    of its name), able to take the arguments given, by name and by simple type, and stand where an object may: nothing but a literal stands
    where the schema or a constructor takes one. Beside `ALLOWED` a target may come from installed packages that declare entry points
    (`mmrec.plugins`) and from those that the key `trusted_packages` names.
    """
    problems = [f"{key}: {problem}" for key, problem in _unknown_keys(OmegaConf.to_container(cfg), schema, "")]
    try:
        problems += [f"{key}: a value is needed; set it as `{key}=…`" for key in sorted(OmegaConf.missing_keys(cfg))]
        values, allowed = plain(cfg), allowed_prefixes(cfg)
        problems += [f"{key}: {problem}" for key, problem in (*_schema_problems(values, schema, ""), *_problems(values, "", allowed))]
        literal = OmegaConf.to_container(cfg, resolve=False)  # what stands for another key is told once, there
        problems += [f"{key}: {problem}" for key, problem in out_of_bounds(literal)]
    except InterpolationResolutionError as error:
        remedy = "; set HOME, or give paths.cache=FOLDER" if "'HOME'" in str(error) else ""
        problems.append(f"{error.full_key}: {str(error).splitlines()[0]}{remedy}")
    if problems:
        raise ConfigError("\n".join(problems))


def plain(cfg: DictConfig) -> dict[str, Any]:
    """The configuration as dicts, lists and scalars, interpolations resolved."""
    return OmegaConf.to_container(cfg, resolve=True)


def flat(node: object, prefix: str = "") -> Iterator[tuple[str, object]]:
    """The leaves of nested dicts under dotted keys; a list is a leaf."""
    if not isinstance(node, dict):
        yield prefix, node
        return
    for name, child in node.items():
        yield from flat(child, f"{prefix}.{name}" if prefix else str(name))


def target(cfg: DictConfig, key: str) -> Any:
    """What the node at `key` names as its `_target_`, uncalled. Raises ConfigError where a configuration may not build it."""
    return refine(key, partial(_resolve, OmegaConf.select(cfg, key)["_target_"], allowed_prefixes(cfg)))


def read_model(cfg: DictConfig, key: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The node of a model or a baseline as what it is built with, and what stands beside that: `name`, `space` and `n_trials`."""
    node = plain(cfg)
    for part in key.split("."):
        node = node[part]
    beside = {name: value for name, value in node.items() if name in _BESIDE_MODELS}
    return {name: value for name, value in node.items() if name not in beside}, beside


def build(cfg: DictConfig, key: str, **arguments: Any) -> Any:
    """The object that the node at `key` names, called with its values and `arguments`; a partial where the node says so.

    Raises ConfigError, naming the key, where a constructor refuses a value; so does the partial when it is called.
    """
    node = OmegaConf.select(cfg, key)
    made = refine(key, partial(instantiate, node, _convert_="all", **arguments))
    if not node.get("_partial_"):
        return made
    plain = partial(made.func, *made.args, **made.keywords)  # Hydra's own checks at every call what `check` has: a loss is called a step
    call = partial(_call, key, plain)
    call.__signature__ = inspect.signature(plain)  # what it still takes
    return call


def refine(key: str, make: Callable[[], Any]) -> Any:
    """What `make` gives; its refusal of a value becomes a ConfigError that names the key."""
    try:
        return make()
    except MmrecError:
        raise
    except Exception as error:
        cause = error.__cause__ if isinstance(error, InstantiationException) and error.__cause__ else error
        if isinstance(cause, MmrecError):
            raise cause from None
        if isinstance(cause, (ValueError, TypeError, ImportError)) or type(cause).__name__ == "MisconfigurationException":
            raise ConfigError(f"{key}: {cause}") from cause
        raise


def _call(key: str, make: Callable[..., Any], /, *values: Any, **arguments: Any) -> Any:
    return refine(key, partial(make, *values, **arguments))


def _unknown_keys(values: dict[str, Any], schema: type, prefix: str) -> Iterator[tuple[str, str]]:
    """Keys that the schema has not: `+key=…` and files can add them past Hydra's own check."""
    known = {one.name: one.type for one in fields(schema)}
    for name, value in values.items():
        if name not in known:
            yield f"{prefix}{name}", f"there is no such key; {nearest(name, known)}"
        elif is_dataclass(known[name]) and isinstance(value, dict):
            yield from _unknown_keys(value, known[name], f"{prefix}{name}.")


def _schema_problems(values: dict[str, Any], schema: type, prefix: str) -> Iterator[tuple[str, str]]:
    """Values that are not of the schema's types: the file of a run, unlike a composed configuration, has no types of its own."""
    for one in fields(schema):
        value, key = values.get(one.name, MISSING), f"{prefix}{one.name}"
        if value == MISSING:
            continue
        if is_dataclass(one.type) and isinstance(value, dict):
            yield from _schema_problems(value, one.type, f"{key}.")
        elif one.type == Node and value is None:
            continue
        elif not fits(value, one.type) or (one.type != Node and _has_target(value)):
            yield key, f"expected {type_name(one.type)}, came `{value}`"


def allowed_prefixes(cfg: DictConfig) -> tuple[str, ...]:
    """What a `_target_` of this configuration may begin with. Raises ConfigError where `trusted_packages` names no package."""
    named = cfg.get("trusted_packages") or []
    for name in named:
        if not isinstance(name, str) or not all(part.isidentifier() for part in name.split(".")):
            raise ConfigError(f"trusted_packages: expected names of Python packages, came `{name}`")
    return (*ALLOWED, *(f"{name}." for name in (*trusted_packages(), *named)))


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
    """What a search tries of the nodes inside one: `space: {model: {n_layers: [1, 2]}}` is the space of its node `model`."""
    space = node.get("space") if "_target_" in node else None
    inside = {name: values for name, values in space.items() if isinstance(values, dict)} if isinstance(space, dict) else {}
    return {name: {"space": inside[name], "n_trials": node.get("n_trials")} for name in inside if isinstance(node.get(name), dict)}


def _target_problems(node: dict[str, Any], key: str, allowed: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    try:
        target = _resolve(node["_target_"], allowed)
    except ConfigError as error:
        yield f"{key}._target_", str(error)
        return
    takes, needs, takes_all = _taken(target)
    beside = _BESIDE_MODELS if key == "model" or key.startswith("baselines.") else SEARCH
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
        yield from ((f"{key}.{name}", f"{target.__qualname__} needs it") for name in needs if name not in given)
    for name, values in given.items():
        for one in values:
            if name in takes and one != MISSING and not (fits(one, takes[name]) and (not _has_target(one) or _takes_objects(takes[name]))):
                yield f"{key}.{name}", f"expected {type_name(takes[name])}, came `{one}`"


def _resolve(path: Any, allowed: tuple[str, ...]) -> Any:
    """The object a `_target_` names. Raises ConfigError where there is none or mmrec does not allow it."""
    if not isinstance(path, str) or "." not in path:
        raise ConfigError(f"expected package.module.Name, came `{path}`")
    module_name, name = path.rsplit(".", 1)
    if not _is_allowed(path, allowed):
        package, packages = path.partition(".")[0], [prefix.removesuffix(".") for prefix in allowed]
        is_ours = package in ("mmrec", "lightning", "torch")
        hint = nearest(module_name, packages) if is_ours else f"if you trust it, say so on the command line: trusted_packages=[{package}]"
        raise ConfigError(f"`{path}` is not among what a configuration may build: public names of some packages; {hint}")
    try:
        module = import_module(module_name)
    except ImportError as error:
        raise ConfigError(f"`{module_name}` cannot be imported: {error}") from error
    if not hasattr(module, name):
        public = [n for n in vars(module) if not n.startswith("_")]
        raise ConfigError(f"`{module_name}` has no `{name}`; {nearest(name, public)}")
    found = getattr(module, name)
    origin = f"{getattr(found, '__module__', '')}."
    if not callable(found) or not _is_allowed(origin, allowed):
        raise ConfigError(f"`{path}` is not among what a configuration may build: it comes from `{origin[:-1]}`")
    return found


def _is_allowed(path: str, allowed: tuple[str, ...]) -> bool:
    return path.startswith(allowed) and "._" not in path


def _taken(target: Any) -> tuple[dict[str, Any], list[str], bool]:
    """What a target takes by name, with its type; what of that it needs; and whether it takes whatever else is given.

    `**more: Unpack[Keys]` stands for the keys of that TypedDict.
    """
    takes, needs, takes_all, hints = {}, [], False, _type_hints(target)
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


def fits(value: Any, hint: Any) -> bool:
    """Whether a plain value is of a type hint made of scalars, lists, dicts, dataclasses (as a node) and unions; others accept anything."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return any(fits(value, one) for one in arguments)
    if hint is type(None):
        return value is None
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if hint in (str, bool):
        return isinstance(value, hint)
    if hint is Path:
        return isinstance(value, str)
    if origin is list:
        return isinstance(value, list) and all(fits(one, arguments[0]) for one in value)
    if origin is dict or is_dataclass(hint):
        return isinstance(value, dict)
    return True


def _has_target(value: Any) -> bool:
    """Whether an object would be built of the value, or of any part of it."""
    if isinstance(value, list):
        return any(map(_has_target, value))
    return isinstance(value, dict) and ("_target_" in value or any(map(_has_target, value.values())))


def _takes_objects(hint: Any) -> bool:
    """Whether a type hint stands for anything but literals: scalars, and lists and dicts of them."""
    if hint in (str, int, float, bool, Path, type(None), ...) or is_typeddict(hint) or get_origin(hint) is Literal:
        return False
    arguments = get_args(hint)
    return not arguments or any(map(_takes_objects, arguments))


def type_name(hint: Any) -> str:
    """A type hint as messages call it."""
    return hint.__name__ if isinstance(hint, type) and not get_args(hint) else str(hint).replace("typing.", "")
