"""The allowlist of `_target_`: a positive list of packages, checked against the resolved object."""

from importlib import import_module
from typing import Any

from omegaconf import DictConfig

from mmrec.errors import ConfigError, MissingExtra, nearest
from mmrec.plugins import trusted_packages

_LIGHTNING = ("Trainer", "trainer.trainer.", "callbacks.", "loggers.", "plugins.", "profilers.", "strategies.")  # others read pickles
ALLOWED = (
    "mmrec.data.sources.",
    "mmrec.data.features.user_template.",
    "mmrec.data.folder.read.",
    "mmrec.files.limits.",
    "mmrec.data.interactions.split.",
    "mmrec.nn.",
    "mmrec.models.",
    "mmrec.losses.",
    "mmrec.tasks.",
    "mmrec.rerank.",
    "data_modules.",
    *(f"lightning.pytorch.{part}" for part in _LIGHTNING),
    "torch.optim.",
    "torch.nn.modules.",
)
"""Packages whose public callables construct objects, and do not download, write or run programs when called."""


def allowed_prefixes(cfg: DictConfig) -> tuple[str, ...]:
    """The allowed prefixes of `_target_` in this configuration. Raises ConfigError if `trusted_packages` has an invalid name."""
    named = cfg.get("trusted_packages") or []
    for name in named:
        if not isinstance(name, str) or not all(part.isidentifier() for part in name.split(".")):
            raise ConfigError(f"trusted_packages: expected names of Python packages, found `{name}`")
    return (*ALLOWED, *(f"{name}." for name in (*trusted_packages(), *named)))


def resolve(path: Any, allowed: tuple[str, ...]) -> Any:
    """Import the object that a `_target_` names. Raises ConfigError if it does not exist or is not allowed."""
    if not isinstance(path, str) or "." not in path:
        raise ConfigError(f"expected package.module.Name, found `{path}`")
    module_name, name = path.rsplit(".", 1)
    if not _is_allowed(path, allowed):
        package, packages = path.partition(".")[0], [prefix.removesuffix(".") for prefix in allowed]
        is_ours = package in ("mmrec", "lightning", "torch")
        hint = nearest(module_name, packages) if is_ours else f"if you trust it, add on the command line: trusted_packages=[{package}]"
        raise ConfigError(f"a configuration must not build `{path}`, only public names of certain packages; {hint}")
    try:
        module = import_module(module_name)
    except MissingExtra as error:
        raise ConfigError(str(error)) from error
    except ImportError as error:
        raise ConfigError(f"`{module_name}` cannot be imported: {error}") from error
    if not hasattr(module, name):
        public = [n for n in vars(module) if not n.startswith("_")]
        raise ConfigError(f"`{module_name}` has no `{name}`; {nearest(name, public)}")
    found = getattr(module, name)
    origin = f"{getattr(found, '__module__', '')}."
    if not callable(found) or not _is_allowed(origin, allowed):
        raise ConfigError(f"a configuration must not build `{path}`: it comes from `{origin[:-1]}`")
    return found


def _is_allowed(path: str, allowed: tuple[str, ...]) -> bool:
    return path.startswith(allowed) and "._" not in path
