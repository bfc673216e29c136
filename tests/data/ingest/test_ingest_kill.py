"""Ingest that is killed again and again: nothing partial is ever seen, and at the end stands what an undisturbed run writes."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

N_KILLS = 10
SERVER = """
import os, sys
from pathlib import Path
import numpy, polars, pyarrow.parquet, torch, rich.progress
from mmrec.data.ingest import spill, stream
from mmrec.data.interactions.filter import Filter
from mmrec.data.folder.read import open_folder
from mmrec.data.ingest.ingest import Ingest
from mmrec.data.interactions.split_rules import GlobalTime

print("ready", flush=True)  # imported once, and nothing computed yet: a child starts at once
for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        spill.ROWS_A_FILE, stream.ROWS_A_PIECE = 500, 700
        work = Ingest(open_folder(sys.argv[1], {}), Filter(None, "first", 2, 2), GlobalTime(0.1, 0.1), "stop", None, None)
        work.into(Path(line.strip()))
        os._exit(0)
    print(pid, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""


def make_shop(folder: Path) -> None:
    folder.mkdir()
    draw = random.Random(0)
    rows = [f"u{draw.randrange(200)},i{draw.randrange(300)},{1_600_000_000 + k}" for k in range(10_000)]
    (folder / "interactions.csv").write_text("user_id,item_id,timestamp\n" + "\n".join(rows) + "\n")
    (folder / "items.csv").write_text("item_id,title\n" + "".join(f"i{item},thing {item}\n" for item in range(300)))


def contents(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


def test_kills_change_nothing(tmp_path: Path) -> None:
    make_shop(tmp_path / "shop")
    home, ends, draw = tmp_path / "home", [], random.Random(1)
    home.mkdir()
    with subprocess.Popen([sys.executable, "-c", SERVER, tmp_path / "shop"], stdin=-1, stdout=-1, text=True) as server:
        assert server.stdout.readline() == "ready\n"

        def run(out: Path, kill_after_s: float | None = None) -> int:
            print(out, file=server.stdin, flush=True)
            pid = int(server.stdout.readline())
            if kill_after_s is not None:
                time.sleep(kill_after_s)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return int(server.stdout.readline())

        begun = time.monotonic()
        assert run(tmp_path / "whole") == 0
        lasts, whole = time.monotonic() - begun, contents(tmp_path / "whole")
        while ends.count(-signal.SIGKILL) < N_KILLS:
            assert len(ends) < 10 * N_KILLS
            out = home / str(ends.count(0))  # the same again until it is whole
            ends.append(run(out, kill_after_s=draw.random() * lasts))
            assert contents(out) == whole if out.exists() else ends[-1] == -signal.SIGKILL
        assert run(home / "last") == 0
        assert contents(home / "last") == whole
        server.stdin.close()
    assert set(ends) <= {0, -signal.SIGKILL}
    assert not [path.name for path in home.iterdir() if path.name.endswith(".tmp")]
