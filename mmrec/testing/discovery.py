"""Find all models: those of mmrec, and those that other packages register by the entry point `mmrec.models`."""

import inspect
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

from mmrec import models
from mmrec.models.recommender import ClosedFormRecommender, GradientRecommender
from mmrec.plugins import installed

ENTRY_POINT = "mmrec.models"
Model = type[ClosedFormRecommender] | type[GradientRecommender]


def find_models(package: ModuleType = models) -> list[Model]:
    """The models of a package and of all entry points, without repetitions, sorted by name.

    An entry point refers to a class, or to a module or package with model classes.
    """
    found = dict.fromkeys(_of_package(package))
    for entry in installed(ENTRY_POINT).values():
        named = entry.load()
        found |= dict.fromkeys(_of_package(named) if inspect.ismodule(named) else [named])
    return sorted(found, key=lambda model: (model.__name__, model.__module__))


def _of_package(package: ModuleType) -> Iterator[Model]:
    """The models defined in a module and its submodules."""
    names = [package.__name__]
    for folder in map(Path, getattr(package, "__path__", ())):  # pkgutil ignores folders without an __init__.py
        paths = (path.relative_to(folder).with_suffix("") for path in sorted(folder.rglob("*.py")))
        names += [".".join([package.__name__, *path.parts]) for path in paths if path.name != "__init__"]
    for name in names:
        for found in vars(import_module(name)).values():
            if is_model(found) and found.__module__ == name:
                yield found


def is_model(found: object) -> bool:
    """Whether an object is a concrete model class."""
    kinds = (ClosedFormRecommender, GradientRecommender)
    return inspect.isclass(found) and issubclass(found, kinds) and not inspect.isabstract(found)
