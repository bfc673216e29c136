"""Whatever lies in a file: it ends as data, as a counted problem or as one message; nothing of it runs, and nothing else is opened."""

import json
import os
import resource
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
pytestmark = pytest.mark.slow
SPARSE = {"tables/csv sparse/interactions.csv", "tables/settings sparse/mmrec.yaml"}
MEMORY = 4 * 2**30
SECONDS = 30


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All artefacts. Made by another process, so that pytest keeps none of what it takes to make them."""
    folder = tmp_path_factory.mktemp("hostile") / "corpus"
    subprocess.run([sys.executable, HERE / "make_corpus.py", folder], check=True)
    return folder


@pytest.fixture(scope="module")
def results(corpus: Path) -> list[dict]:
    """What became of each, read by one process of limited memory."""
    done = subprocess.run(
        [sys.executable, HERE / "read_corpus.py", corpus],
        cwd=corpus.parent,
        env=os.environ
        | {"PYTHONPATH": str(HERE.parents[1]), "OMP_NUM_THREADS": "1", "TMPDIR": str(corpus.parent), "POLARS_MAX_THREADS": "2"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY)),
        capture_output=True,
        text=True,
        timeout=600,
    )
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert done.returncode == 0, f"ended after {found[-1] if found else 'nothing'}\n{done.stderr[-3000:]}"
    return found


def test_artefacts_are_many_and_small(corpus: Path) -> None:
    folders = list(corpus.glob("*/*"))
    assert len(folders) >= 60
    files = [path for path in corpus.rglob("*") if path.is_file() and not path.is_symlink()]
    large = {path.relative_to(corpus).as_posix() for path in files if path.stat().st_size > 2**20}
    assert large == SPARSE  # which are nothing but holes
    assert all((corpus / path).stat().st_blocks * 512 < 2**20 for path in SPARSE)


def test_each_was_read_refused_or_counted(corpus: Path, results: list[dict]) -> None:
    assert len(results) == len([path for path in corpus.glob("*/*") if path.is_dir()])
    odd = [
        f"{one['entry']}/{one['name']}: {one['outcome']}: {one['message'][:300]}"
        for one in results
        if one["outcome"] not in ("read", "refused")
    ]
    assert not odd, "\n" + "\n".join(odd)


def test_a_received_run_is_measured_in_its_folder_or_refused(corpus: Path, results: list[dict]) -> None:
    """Whatever it says of places is the caller's own, or has to be confirmed."""
    odd = [
        f"{one['name']}: {one['outcome']}: {one['message'][:200]}"
        for one in results
        if one["entry"] == "received" and (one["outcome"] == "read") != one["name"].startswith("sound")
    ]
    assert not odd, "\n" + "\n".join(odd)
    assert not (corpus.parent / "victim").exists()
    assert [one["name"] for one in results if one["name"].startswith("place: ") and "trust_run=true" not in one["message"]] == []


def test_nothing_ran_and_nothing_else_was_opened(corpus: Path, results: list[dict]) -> None:
    assert not (corpus / "owned").exists()
    did = [f"{one['entry']}/{one['name']}: {one['events']}" for one in results if one["events"]]
    assert not did, "\n" + "\n".join(did)


def test_messages_hold_no_escape_codes(results: list[dict]) -> None:
    raw = [f"{one['entry']}/{one['name']}" for one in results if not one["message"].replace("\n", "").isprintable()]
    assert raw == []


def test_none_takes_long(results: list[dict]) -> None:
    assert [f"{one['name']}: {one['seconds']:.0f} s" for one in results if one["seconds"] > SECONDS] == []


def test_what_is_hostile_by_its_nature_is_refused(results: list[dict]) -> None:
    by_entry = Counter((one["entry"], one["outcome"]) for one in results)
    for entry, n_sound in (("configs", 0), ("hydra", 0), ("weights", 0), ("checkpoints", 2)):
        assert by_entry[entry, "read"] <= n_sound, [one["name"] for one in results if (one["entry"], one["outcome"]) == (entry, "read")]
