"""What is imported before a mistake is told, and by commands that need little: read off `sys.modules` of processes of their own."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
import torch
from safetensors.torch import save_file

ROOT = Path(__file__).resolve().parent.parent
HEAVY = {"torch", "lightning", "transformers", "polars", "torchvision"}
REACH_TORCHVISION = {"transformers", "open_clip", "torchmetrics", "lightning", "torch_geometric", "torchvision"}
RUN = """
import json, sys
from mmrec.cli.main import main
sys.argv = ["mmrec", *sys.argv[1:]]
try:
    main()
    code = 0
except SystemExit as end:
    code = end.code
open("seen.json", "w").write(json.dumps([code, sorted({name.partition(".")[0] for name in sys.modules})]))
"""


def started(folder: Path, *words: str, source: str = RUN) -> tuple[int, set[str], str]:
    """The exit code of a command, the packages that it imported, and what it said on stderr."""
    command = [sys.executable, "-c", source, *words]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, env=os.environ | {"PYTHONPATH": str(ROOT)})
    code, modules = json.loads((folder / "seen.json").read_text())
    return code, set(modules), ran.stderr


def test_importing_mmrec_imports_nothing_else(tmp_path: Path) -> None:
    source = "import sys\nbefore = set(sys.modules)\nimport mmrec\nfound = sorted(set(sys.modules) - before)\n"
    source += "import json\nopen('seen.json', 'w').write(json.dumps([0, found]))"
    _, modules, _ = started(tmp_path, source=source)
    assert modules <= {"collections.abc", "mmrec", "mmrec.lazy_names"}


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["trian"], ["data", "chek"], ["data", "check", "--help"]])
def test_help_and_a_misspelt_verb_need_no_hydra(words: list[str], tmp_path: Path) -> None:
    code, modules, _ = started(tmp_path, *words)
    assert code == (2 if words[-1] in ("trian", "chek") else 0)
    assert not modules & (HEAVY | {"hydra", "omegaconf", "yaml"})


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train", "seeed=1"], "mmrec: seeed: there is no such key; did you mean `seed`?"),
        (["train", "fusion.n_layer=1"], "mmrec: fusion.n_layer: there is no such key; did you mean `fusion.n_layers`?"),
        (["train", "split=global_tim"], "mmrec: split: there is no choice `global_tim`; did you mean `global_time`?"),
        (["train", "resume=runs/none"], "mmrec: resume: expected the configuration of a run at runs/none/config.yaml"),
        (["recommend", "usr=3"], "mmrec: usr: there is no such key; did you mean `user`?"),
    ],
)
def test_a_mistake_that_needs_no_data_is_told_before_torch_is_imported(words: list[str], said: str, tmp_path: Path) -> None:
    code, modules, err = started(tmp_path, *words)
    assert code == 2 and err.startswith(said)
    assert not modules & HEAVY


def test_recommending_from_vectors_imports_neither_lightning_nor_transformers(tmp_path: Path) -> None:
    (tmp_path / "run" / "split").mkdir(parents=True)
    for name in ("metrics.json", "run.json"):
        (tmp_path / "run" / name).write_text("{}")
    save_file({"users": torch.ones(1, 1), "items": torch.ones(2, 1)}, tmp_path / "run" / "vectors.safetensors")
    pl.DataFrame({"user_id": ["a"]}).write_parquet(tmp_path / "run" / "users.parquet")
    pl.DataFrame({"item_id": ["x", "y"]}).write_parquet(tmp_path / "run" / "items.parquet")
    for part in ("train", "valid", "test"):
        pl.DataFrame({"user_id": ["a"], "item_id": ["x"]}).write_parquet(tmp_path / "run" / "split" / f"{part}.parquet")
    code, modules, err = started(tmp_path, "recommend", "run=run", "user=a")
    assert code == 0, err
    assert not modules & {"lightning", "transformers", "torchvision"}


def test_checking_data_imports_neither_lightning_nor_transformers(shop_folder: Path, tmp_path: Path) -> None:
    code, modules, err = started(tmp_path, "data", "check", str(shop_folder), "pictures=false")
    assert code == 0, err
    assert not modules & {"lightning", "transformers", "torchvision"}


def test_what_may_reach_torchvision_comes_after_what_looks_after_it() -> None:
    """See mmrec/_torchvision.py: the import has to come before those libraries in every module that imports one of them."""
    found = []
    for path in [*(ROOT / "mmrec").rglob("*.py"), *(ROOT / "data_modules").rglob("*.py")]:
        looked_after = False
        for node in sorted((n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Import | ast.ImportFrom)), key=line_of):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            looked_after |= "mmrec._torchvision" in names
            if {name.partition(".")[0] for name in names} & REACH_TORCHVISION and not looked_after and path.name != "_torchvision.py":
                found.append(f"{path}:{node.lineno}")
    assert found == []


def line_of(node: ast.stmt) -> int:
    return node.lineno
