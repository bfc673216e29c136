"""What libraries keep for themselves: Hydra's is used in one file, Lightning's and torch's in another, that of all others nowhere."""

import ast
import importlib
import inspect
import textwrap
from functools import cache
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parent.parent
PLACES = {"mmrec/config/hydra/internals.py", "mmrec/tasks/internals.py"}
OURS = ("mmrec", "data_modules")
PUBLIC = {"_replace", "_asdict", "_fields", "_make", "_exit"}
"""Documented names with an underscore: of NamedTuples, where it keeps fields apart, and `os._exit`."""


def is_private(name: str) -> bool:
    """`_name`; neither `__name__` nor `_target_`, which is a key of Hydra's configurations."""
    return name.startswith("_") and not name.endswith("_")


def private_names(source: str) -> set[str]:
    """Names with an underscore that a module imports from elsewhere, or takes from objects though it defines no such name itself.

    What an object takes from itself may be inherited: see `inherited_names`.
    """
    nodes = list(ast.walk(ast.parse(source)))
    modules = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    modules += [f"{node.module}.{alias.name}" for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names]
    imported = {module for module in modules if any(map(is_private, module.split("."))) and module.partition(".")[0] not in OURS}
    taken = {node.attr for node in nodes if isinstance(node, ast.Attribute) and is_private(node.attr) and not is_self(node.value)}
    return imported | (taken - defined_names(nodes) - PUBLIC)


def defined_names(nodes: list[ast.AST]) -> set[str]:
    """Names of functions, classes and variables, and the attributes that methods give themselves."""
    found = {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    found |= {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return found | own_attributes([node for node in nodes if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)])


def own_attributes(nodes: list[ast.AST]) -> set[str]:
    """Attributes of `self`."""
    return {node.attr for node in nodes if isinstance(node, ast.Attribute) and is_self(node.value)}


def is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "self"


def inherited_names(cls: type) -> set[str]:
    """Private names of other packages' base classes that a class overrides, sets or reads."""
    bases = [base for base in cls.__mro__[1:] if base.__module__.partition(".")[0] not in (*OURS, "builtins")]
    theirs = {name for base in bases for name in {*vars(base), *defined_names(nodes_of(base))} if is_private(name)}
    return theirs & (defined_names(nodes_of(cls)) | own_attributes(nodes_of(cls))) - PUBLIC


@cache
def nodes_of(cls: type) -> list[ast.AST]:
    """The syntax tree of a class; nothing where there is no source."""
    try:
        return list(ast.walk(ast.parse(textwrap.dedent(inspect.getsource(cls)))))
    except (OSError, TypeError):
        return []


def modules() -> list[str]:
    """All Python files of mmrec and data_modules."""
    return sorted(path.relative_to(ROOT).as_posix() for folder in OURS for path in (ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize(
    "source",
    [
        "from hydra._internal.utils import get_args",
        "import hydra._internal.hydra",
        "def f():\n    from lightning.pytorch.strategies.launchers import _MultiProcessingLauncher",
        "x._checkpoint_connector.dump_checkpoint()",
        "trainer.fit_loop._should_accumulate()",
        "loop._batches_that_stepped = 3",
    ],
)
def test_finds_what_is_planted(source: str) -> None:
    assert len(private_names(source)) == 1


def test_finds_what_a_class_overrides_or_sets() -> None:
    from lightning.pytorch.strategies import ModelParallelStrategy

    from mmrec.tasks.internals import SpawnedModelParallelStrategy
    from mmrec.tasks.sharded import ShardedTablesStrategy

    assert inherited_names(SpawnedModelParallelStrategy) == {"_configure_launcher", "_launcher"}
    assert issubclass(ShardedTablesStrategy, ModelParallelStrategy) and not inherited_names(ShardedTablesStrategy)


def test_finds_what_a_class_reads() -> None:
    assert inherited_names(ReadsBuffers) == {"_buffers"}


class ReadsBuffers(torch.nn.Module):
    """Takes a private name from itself, beside one of its own."""

    def __init__(self) -> None:
        super().__init__()
        self._own = len(self._buffers)


@pytest.mark.parametrize(
    "source",
    [
        "import hydra\nfrom hydra.types import RunMode\nx.save_checkpoint()",
        "from mmrec import _torchvision",
        "cfg._target_",
        "x._replace(a=1)",
    ],
)
def test_passes_over_what_is_public_or_ours(source: str) -> None:
    assert not private_names(source)


@pytest.mark.parametrize(
    "own", ["class A:\n    def _f(self):\n        self._f()\n        other._f", "def g(self):\n    self._a = 1\n    other._a"]
)
def test_passes_over_what_a_module_defines(own: str) -> None:
    assert not private_names(own)


def test_they_are_used_in_two_places() -> None:
    found = {path: private_names((ROOT / path).read_text(encoding="utf-8")) for path in modules()}
    assert {path: names for path, names in found.items() if names and path not in PLACES} == {}
    assert all(found[path] for path in PLACES)


def test_no_class_overrides_them_elsewhere() -> None:
    found = {}
    for path in set(modules()) - PLACES:
        module = importlib.import_module(path.removesuffix(".py").removesuffix("/__init__").replace("/", "."))
        classes = [one for one in vars(module).values() if inspect.isclass(one) and one.__module__ == module.__name__]
        found |= {f"{path}: {one.__name__}": names for one in classes if (names := inherited_names(one))}
    assert found == {}
