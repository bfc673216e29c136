"""`mmrec serve`: the newest run, what is refused before anything slow, and a process that answers and ends gracefully."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from omegaconf import DictConfig

from mmrec.cli.serving.replicas import application
from mmrec.cli.serving.serve import serve
from mmrec.errors import ConfigError, MissingExtra, MissingFile
from mmrec.experiment.run_folder.find import newest_run
from mmrec.extras import is_installed
from mmrec.serving.events.store_urls import with_password
from tests.serving.made_run import write_run

Compose = Callable[..., DictConfig]


def test_the_newest_run_is_served(tmp_path: Path) -> None:
    for place, name in enumerate(("b", "a")):
        os.utime(write_run(tmp_path / name) / "run.json", (place, place))
    (tmp_path / "unfinished").mkdir()
    assert newest_run(tmp_path).name == "a"


def test_without_a_run_it_says_how_to_make_one(tmp_path: Path, compose: Compose) -> None:
    with pytest.raises(MissingFile, match="`mmrec train experiment=demo` makes one"):
        serve(compose(f"paths.runs={tmp_path}", name="serve"))


def test_a_port_in_use_is_named_before_the_run_is_read(tmp_path: Path, compose: Compose) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port: {port} of 127.0.0.1 is in use"):
            serve(compose(f"run={write_run(tmp_path / 'a')}", f"port={port}", name="serve"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["index=exct"], "index: .*did you mean `exact`"),
        (["store=mysql://x"], "store: "),
        (["port=70000"], "port: expected at least 0 and at most 65535"),
        (["host=no such host"], "host: "),
        (["workers=0"], "workers: expected at least 1 and at most 256"),
        (["engine=rey"], "engine: expected one of processes, ray, found `rey`"),
        (["engine=ray", "workers=4", "max_workers=2"], "max_workers: expected at least workers=4, found 2"),
        (["store_password_file=secret"], "store_password_file: expected store=postgresql://"),
    ],
)
def test_what_is_wrong_is_named(words: list[str], message: str, tmp_path: Path, compose: Compose) -> None:
    with pytest.raises(ConfigError, match=message):
        serve(compose(f"run={write_run(tmp_path / 'a')}", "port=0", f"paths.runs={tmp_path}", *words, name="serve"))


@pytest.mark.skipif(is_installed("serve_ray"), reason="Ray is installed here")
def test_without_ray_its_extra_is_named(tmp_path: Path, compose: Compose) -> None:
    with pytest.raises(MissingExtra, match=r"engine=ray needs ray, which is not installed: pip install 'mmrec\[serve_ray\]'"):
        serve(compose(f"run={write_run(tmp_path / 'a')}", "port=0", "engine=ray", name="serve"))


def test_a_configuration_of_ray_serve_names_a_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="run: expected a run folder, found none"):
        application({"workers": 2})
    with pytest.raises(ConfigError, match="wrokers"):
        application({"run": str(tmp_path), "wrokers": 2})


def test_the_password_of_a_store_comes_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(" p:w/d@% \n")
    assert with_password("postgresql://ann@db:5432/shop", file) == "postgresql://ann:p%3Aw%2Fd%40%25@db:5432/shop"
    for url in ("sqlite:///a.db", "postgresql://ann:known@db/shop", "postgresql://db/shop"):
        with pytest.raises(ConfigError, match="store_password_file"):
            with_password(url, file)
    with pytest.raises(MissingFile, match="expected a file with the password of the store"):
        with_password("postgresql://ann@db/shop", tmp_path / "nothing")


@pytest.mark.slow
def test_a_process_answers_keeps_events_and_ends_when_asked(tmp_path: Path) -> None:
    run, port = write_run(tmp_path / "runs" / "a"), _free_port()
    command = [sys.executable, "-m", "mmrec.cli.main", "serve", f"run={run}", f"port={port}", f"paths.runs={tmp_path / 'runs'}"]
    for n_events in (0, 1):
        process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_for(url, process)
            found = httpx.get(f"{url}/v1/users/2/recommendations", timeout=60).json()
            assert [one["item_id"] for one in found["items"]] == (["y", "w", "x"] if n_events == 0 else ["w", "x"])
            sent = httpx.post(f"{url}/v1/events", json={"event_id": "e", "user_id": "2", "item_id": "y"}, timeout=60)
            assert sent.status_code == 202 and json.loads(sent.text)["stored"] == 1 - n_events
            process.send_signal(signal.SIGTERM)
            _, err = process.communicate(timeout=60)
            assert process.returncode == 128 + signal.SIGTERM and "Traceback" not in err and "serving a-" in err
        finally:
            process.kill()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


def _wait_for(url: str, process: subprocess.Popen[str]) -> None:
    for _ in range(600):
        assert process.poll() is None, process.stderr and process.stderr.read()
        try:
            if httpx.get(f"{url}/readyz", timeout=60).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise AssertionError("it did not start")
