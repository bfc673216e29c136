"""Replicas of Ray Serve: both answer with the same lists, and change to another run in place while requests are answered."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.serving.made_run import USERS, write_run

SCRIPT = Path(__file__).with_name("change_replicas.py")
WANTED = {"a": {"w": 1.0, "y": 0.0}, "b": {"w": 0.0, "y": 1.0}}
"""The scores of user 1 by run."""


@pytest.mark.slow
def test_two_replicas_answer_alike_and_change_in_place_without_a_failed_answer(tmp_path: Path) -> None:
    pytest.importorskip("ray.serve")
    for name in ("a", "b"):
        write_run(tmp_path / name, USERS[[1, 0, 2]] if name == "b" else USERS)
    with socket.create_server(("127.0.0.1", 0)) as one:
        port = one.getsockname()[1]
    environment = os.environ | {"PYTHONPATH": str(SCRIPT.parents[3]), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(SCRIPT), str(tmp_path), str(port)]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=800)
    assert done.returncode == 0, done.stderr[-5000:]
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen["telemetry"] == "0" and seen["address"] == "127.0.0.1"
    assert len(seen["replicas"]) == 2 and seen["replicas_after"] == seen["replicas"]  # the same processes
    assert all(answer == ["a", WANTED["a"]] for answer in seen["before"]) and all(answer == ["b", WANTED["b"]] for answer in seen["after"])
    assert seen["stored"] == [1, 0, 0, 0, 0, 0]
    assert seen["during"] and all(WANTED[answer[0]] == answer[1] for answer in seen["during"])
