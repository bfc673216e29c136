"""mmrec beside four torchvisions: sound, absent, broken, and built for another torch.

All four are fakes, met one after the other in one process of its own, since what torch has once been told stays with its process.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FAKES = {
    "sound": "loaded = True",
    "absent": "raise ModuleNotFoundError('No module named torchvision', name='torchvision')",
    "broken": "raise RuntimeError('the disk is on fire')",
    # What one built for CUDA does beside a CPU torch: it registers a shape function for an operator that nobody defined.
    "foreign": """
import torch

@torch.library.register_fake("torchvision::nms")
def nms(dets, scores, iou_threshold):
    return dets.new_empty(0, dtype=torch.int64)
""",
}
MEET = """
import importlib, json, sys
import torch

def attempt(call):
    try:
        return str(call())
    except Exception as error:
        return f"{type(error).__name__}: {error}"

def load(module):
    for name in ("torchvision", "mmrec._torchvision", "mmrec"):
        sys.modules.pop(name, None)
    return importlib.import_module(module)

seen = {}
for fake, source in json.load(sys.stdin).items():
    open("torchvision.py", "w").write(source)
    importlib.invalidate_caches()
    seen[fake] = {
        "torchvision alone": attempt(lambda: load("torchvision").__name__),
        "mmrec": attempt(lambda: load("mmrec._torchvision").__name__.partition(".")[0]),
        "defined": hasattr(torch.ops.torchvision, "nms") or hasattr(torch.ops.torchvision, "qnms"),
        "torchvision after mmrec": attempt(lambda: importlib.import_module("torchvision").__name__),
    }
boxes, scores = torch.zeros(5, 4), torch.zeros(5)
seen["foreign"]["shape"] = attempt(lambda: list(torch.ops.torchvision.nms(boxes.to("meta"), scores.to("meta"), 0.5).shape))
seen["foreign"]["call"] = attempt(lambda: torch.ops.torchvision.nms(boxes, scores, 0.5))
seen["foreign"]["qnms"] = attempt(lambda: torch.ops.torchvision.qnms.default)
json.dump(seen, sys.stdout)
"""


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str | bool]]:
    """What importing did, by fake."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([".", str(ROOT)]), "PYTHONDONTWRITEBYTECODE": "1"}
    folder, given = tmp_path_factory.mktemp("torchvision"), json.dumps(FAKES)
    ran = subprocess.run(
        [sys.executable, "-c", MEET], env=environment, cwd=folder, input=given, capture_output=True, text=True, timeout=120
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    return json.loads(ran.stdout)


def test_defines_nothing_beside_a_sound_torchvision(seen: dict) -> None:
    assert set(seen["sound"].values()) == {"torchvision", "mmrec", False}


def test_says_nothing_where_torchvision_is_not_installed(seen: dict) -> None:
    assert seen["absent"]["mmrec"] == "mmrec"
    assert not seen["absent"]["defined"]


def test_another_failure_is_not_hidden(seen: dict) -> None:
    assert seen["broken"]["mmrec"] == "RuntimeError: the disk is on fire"
    assert not seen["broken"]["defined"]


def test_makes_a_foreign_torchvision_importable(seen: dict) -> None:
    assert seen["foreign"]["torchvision alone"] == "RuntimeError: operator torchvision::nms does not exist"
    assert seen["foreign"]["mmrec"] == "mmrec"
    assert seen["foreign"]["torchvision after mmrec"] == "torchvision"
    assert seen["foreign"]["shape"] == "[0]"
    assert seen["foreign"]["qnms"] == "torchvision.qnms.default"


def test_the_operators_of_a_foreign_torchvision_still_fail_loudly(seen: dict) -> None:
    assert str(seen["foreign"]["call"]).startswith("NotImplementedError: ")
