"""The notebooks of docs/notebooks run from beginning to end, in an empty folder."""

import os
import re
import sys
from pathlib import Path

import nbclient
import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
_MAX_BYTES = 60_000


def test_there_are_three() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["are_the_pictures_worth_it", "first_steps", "my_own_shop"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning:(zmq|tornado|jupyter_client|nbclient)")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_cell_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("MMREC_CACHE", str(tmp_path / "cache"))
    notebook = nbformat.read(path, as_version=4)
    client = nbclient.NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}})
    client.execute()
    shown = "".join(output.get("text", "") for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs)
    assert "mmrec: " not in shown  # what the command line begins a refusal with


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_is_kept_of_the_outputs_is_small_and_of_no_machine(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.encode()) < _MAX_BYTES
    assert [word for word in ("/tmp/", "/home/", "/root/", f"{ROOT}/", "site-packages") if word in text] == []
    assert re.findall(r"(?<![\w/:.~<*-])/(?:[\w.-]+/)+[\w.-]+", text.replace("\\n", "\n")) == []  # absolute paths
