"""What libraries keep for themselves: Hydra's is used in one file, and Lightning's maker of checkpoints nowhere."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HYDRAS = "mmrec/cli/hydra/internals.py"


def private_names(source: str) -> set[str]:
    """Modules of Hydra that begin with an underscore, imported inside functions too, and the attribute of Lightning's trainer."""
    nodes = list(ast.walk(ast.parse(source)))
    modules = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    modules += [f"{node.module}.{alias.name}" for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names]
    attributes = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    return {name for name in modules if name.startswith("hydra._")} | (attributes & {"_checkpoint_connector"})


@pytest.mark.parametrize(
    "source", ["from hydra._internal.utils import get_args", "import hydra._internal.hydra", "x._checkpoint_connector.dump_checkpoint()"]
)
def test_finds_what_is_planted(source: str) -> None:
    assert len(private_names(source)) == 1 and not private_names("import hydra\nfrom hydra.types import RunMode\nx.save_checkpoint()")


def test_they_are_used_in_one_place() -> None:
    files = [path for folder in ("mmrec", "data_modules", "scripts") for path in (ROOT / folder).rglob("*.py")]
    using = [path.relative_to(ROOT).as_posix() for path in files if private_names(path.read_text(encoding="utf-8"))]
    assert using == [HYDRAS]
