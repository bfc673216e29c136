"""Intake that is killed again and again: no half of a file is ever seen, and at the end stands what an undisturbed run gives."""

import contextlib
import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
from safetensors.torch import load_file

N_ITEMS = 300
SERVER = """
import hashlib, os, sys, time
from pathlib import Path
import polars, torch
from mmrec.data.features import cache
from mmrec.data.features.extract import extract_features
from mmrec.data.features.texts import item_texts
from mmrec.data.interactions.filter import filter_interactions
from mmrec.data.folder.read import read_folder
from mmrec.data.interactions.split import random_ratio
from mmrec.files.storage import write_parquet, write_tensors

class Slow:
    name, feature_dim, fingerprint = "slow", 4, "f" * 64
    def prepare(self, raw): return raw
    def length(self, prepared): return len(prepared)
    def encode(self, prepared):  # as real ones do, it gives a row that depends on the rest of its batch in the last digits
        time.sleep(0.004)
        rows = torch.tensor([list(hashlib.sha256(raw).digest()[:4]) for raw in prepared], dtype=torch.float32)
        return rows + max(map(len, prepared)) * 1e-3

def work(shop, out):
    torch.set_num_threads(1)
    cache.SHARD_ROWS = 16
    dataset = read_folder(shop, on_error="quarantine", quarantine=str(out / "quarantine"))
    dataset = filter_interactions(dataset, min_rating=None, repeated="first", min_per_user=2, min_per_item=2)
    split = random_ratio(dataset.interactions, valid_ratio=0.1, test_ratio=0.1, seed=0)
    for part in ("train", "valid", "test"):
        write_parquet(out / f"{part}.parquet", getattr(split, part))
    found, _ = extract_features(Slow(), item_texts(dataset.items, dataset.text_columns), out / "cache", 8, "text")
    write_tensors(out / "features.safetensors", {"values": found.values})

print("ready", flush=True)  # imported once, and nothing computed yet: a child starts at once
for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        work(sys.argv[1], Path(line.strip()))
        os._exit(0)
    print(pid, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""


class Server:
    """A process that runs intake in a child each time it is asked."""

    def __init__(self, shop: Path) -> None:
        command = [sys.executable, "-c", SERVER, str(shop)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        with self.process:
            self.process.kill()

    def run(self, out: Path, kill_after_s: float | None = None) -> int:
        """The exit code of one run into `out`."""
        print(out, file=self.process.stdin, flush=True)
        pid = int(self.process.stdout.readline())
        if kill_after_s is not None:
            time.sleep(kill_after_s)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return int(self.process.stdout.readline())


def make_shop(folder: Path) -> None:
    folder.mkdir()
    draw = random.Random(0)
    rows = [f"u{draw.randrange(200)},i{draw.randrange(N_ITEMS)},{1_600_000_000 + k}" for k in range(20_000)]
    rows[500] = "u1,,1600000500"  # one row for the quarantine
    (folder / "interactions.csv").write_text("user_id,item_id,timestamp\n" + "\n".join(rows) + "\n")
    lines = [f"i{item},{' '.join(['word'] * (item % 40))} {item}" for item in range(N_ITEMS)]
    (folder / "items.csv").write_text("item_id,title\n" + "\n".join(lines) + "\n")


def contents(out: Path) -> dict[str, str]:
    """sha256 of every file; of the cache, of its rows by key, whichever shards they lie in."""
    found = {
        str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in out.rglob("*")
        if path.is_file() and path.parent.parent.name != "features"
    }
    rows = {}
    for path in out.glob("cache/features/*/*.safetensors"):
        shard = load_file(path)
        rows |= {
            key.numpy().tobytes().hex(): value.numpy().tobytes().hex() for key, value in zip(shard["keys"], shard["values"], strict=True)
        }
    return found | dict(sorted(rows.items()))


def check_whole(out: Path) -> None:
    """Every file with a name of its own can be read."""
    for path in out.rglob("*"):
        if path.is_file() and not path.name.startswith("."):
            if path.suffix == ".parquet":
                pl.read_parquet(path)
            elif path.suffix == ".safetensors":
                load_file(path)


@pytest.mark.parametrize("n_kills", [10, pytest.param(50, marks=pytest.mark.thorough)])
def test_kills_change_nothing(n_kills: int, tmp_path: Path) -> None:
    make_shop(tmp_path / "shop")
    with Server(tmp_path / "shop") as server:
        begun = time.monotonic()
        assert server.run(tmp_path / "whole") == 0
        lasts, draw, ends = time.monotonic() - begun, random.Random(1), []
        for _ in range(n_kills):
            ends.append(server.run(tmp_path / "killed", kill_after_s=draw.random() * lasts * 0.6))
            check_whole(tmp_path / "killed")
        assert server.run(tmp_path / "killed") == 0
    assert set(ends) <= {0, -signal.SIGKILL} and ends.count(-signal.SIGKILL) > n_kills // 5
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")
    assert not list((tmp_path / "killed").rglob(".*"))
