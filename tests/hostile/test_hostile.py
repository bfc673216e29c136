"""Whatever lies in a file: it ends as data, as a counted problem or as one message; nothing of it runs, and nothing else is opened."""

import json
import os
import resource
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
pytestmark = pytest.mark.slow
KINDS = {"tables", "pictures", "stores", "weights", "cache", "checkpoints", "configs", "hydra", "wheels", "runs", "received"}
N_SOME, N_ALL = 50, 300
"""At least so many artefacts are read without and with `thorough`."""
SPARSE = {"tables/csv sparse/interactions.csv", "tables/settings sparse/mmrec.yaml"}
MEMORY = 4 * 2**30
SECONDS = 30
MadeOnce = Callable[[str, Callable[[Path], None]], Path]


@dataclass
class Reading:
    """What became of every `step`-th artefact of each kind, made and read by one process of limited memory."""

    corpus: Path
    results: list[dict]


ALL = pytest.param(1, marks=pytest.mark.thorough, id="all")


@pytest.fixture(scope="module", params=[pytest.param(8, id="some"), ALL])
def reading(request: pytest.FixtureRequest, made_once: MadeOnce) -> Reading:
    """The artefacts are made and read by another process, so that pytest keeps none of what that takes."""

    def read(folder: Path) -> None:
        done = subprocess.run(
            [sys.executable, HERE / "read_corpus.py", folder / "corpus", str(request.param)],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(HERE.parents[1]), "OMP_NUM_THREADS": "1", "TMPDIR": str(folder), "POLARS_MAX_THREADS": "2"},
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY)),
            capture_output=True,
            text=True,
            timeout=600,
        )
        lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
        assert done.returncode == 0, f"ended after {lines[-1] if lines else 'nothing'}\n{done.stderr[-3000:]}"
        (folder / "results.jsonl").write_text("\n".join(lines))

    folder = made_once(f"hostile_{request.param}", read)
    lines = (folder / "results.jsonl").read_text().splitlines()
    return Reading(folder / "corpus", [json.loads(line) for line in lines])


@pytest.fixture
def results(reading: Reading) -> list[dict]:
    return reading.results


def large(corpus: Path) -> set[str]:
    """The artefacts' files of more than a megabyte."""
    files = [path for path in corpus.rglob("*") if path.is_file() and not path.is_symlink()]
    return {path.relative_to(corpus).as_posix() for path in files if path.stat().st_size > 2**20}


@pytest.mark.parametrize("reading", [ALL], indirect=True)
def test_artefacts_are_many(reading: Reading) -> None:
    assert len(reading.results) >= N_ALL and large(reading.corpus) == SPARSE


def test_artefacts_are_small(reading: Reading) -> None:
    assert large(reading.corpus) <= SPARSE  # which are nothing but holes
    assert all((reading.corpus / path).stat().st_blocks * 512 < 2**20 for path in large(reading.corpus))


def test_each_was_read_refused_or_counted(reading: Reading, results: list[dict]) -> None:
    made = {(path.parent.name, path.name) for path in reading.corpus.glob("*/*") if path.is_dir()}
    assert sorted(made) == sorted((one["entry"], one["name"]) for one in results)
    assert {entry for entry, _ in made} == KINDS and len(made) >= N_SOME
    odd = [
        f"{one['entry']}/{one['name']}: {one['outcome']}: {one['message'][:300]}"
        for one in results
        if one["outcome"] not in ("read", "refused")
    ]
    assert not odd, "\n" + "\n".join(odd)


def test_a_received_run_is_measured_in_its_folder_or_refused(reading: Reading, results: list[dict]) -> None:
    """Whatever it says of places is the caller's own, or has to be confirmed."""
    odd = [
        f"{one['name']}: {one['outcome']}: {one['message'][:200]}"
        for one in results
        if one["entry"] == "received" and (one["outcome"] == "read") != one["name"].startswith("sound")
    ]
    assert not odd, "\n" + "\n".join(odd)
    assert not (reading.corpus.parent / "victim").exists()
    assert [one["name"] for one in results if one["name"].startswith("place: ") and "trust_run=true" not in one["message"]] == []


def test_nothing_ran_and_nothing_else_was_opened(reading: Reading, results: list[dict]) -> None:
    assert not (reading.corpus / "owned").exists()
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
