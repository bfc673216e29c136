"""Packages whose public names are imported when they are first asked for."""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module


def lazy_names(package: str, names: Mapping[str, str]) -> tuple[Callable[[str], object], Callable[[], list[str]], list[str]]:
    """Return `__getattr__`, `__dir__` and `__all__` of a package.

    Args:
        package: its `__name__`.
        names: by module, the public names in it, separated by blanks. A module that starts with a dot is relative to the package.

    Type checkers do not run this: the package imports the same names under `if TYPE_CHECKING`, and tests/test_faces.py compares the two.
    """
    modules = {name: module for module, listed in names.items() for name in listed.split()}

    def __getattr__(name: str) -> object:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found = getattr(import_module(modules[name], package), name)
        setattr(sys.modules[package], name, found)
        return found

    def __dir__() -> list[str]:
        return sorted({*modules, *(name for name in vars(sys.modules[package]) if name.startswith("__"))})

    return __getattr__, __dir__, sorted(modules)
