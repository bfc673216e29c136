"""A writer that is killed again and again loses no event that it acknowledged, and stores none twice; it opens again by itself."""

import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mmrec.serving import open_store

WRITER = Path(__file__).with_name("append_until_killed.py")


def kill_writers(url: str, n_kills: int) -> set[int]:
    """Start and kill a writer `n_kills` times; each starts at events that the one before may have stored. Return the acknowledged."""
    rng = random.Random(0)
    acknowledged: set[int] = set()
    for _ in range(n_kills):
        again = max(acknowledged, default=0) // 2 * 2
        command = [sys.executable, WRITER, url, str(max(0, again - 20))]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=WRITER.parents[3]) as process:
            assert process.stdout.readline() == "open\n"
            for _ in range(rng.randrange(1, 30)):
                acknowledged.add(int(process.stdout.readline()))
            time.sleep(rng.random() * 0.005)
            process.kill()
            lines = process.stdout.read().split("\n")[:-1]  # what follows the last line end was not yet acknowledged
            acknowledged |= {int(line) for line in lines}
    return acknowledged


def check_kills(url: str, n_kills: int) -> None:
    acknowledged = kill_writers(url, n_kills)
    store = open_store(url)
    stored = store.export()["event_id"].to_list()
    assert len(acknowledged) >= n_kills and len(stored) == len(set(stored))
    assert not {f"e{number}" for number in acknowledged} - set(stored)
    histories = [one.event_id for number in range(5) for one in store.history(f"u{number}", limit=10**6)]
    assert sorted(histories) == sorted(stored)
    sent = set(range(max(acknowledged) + 1))
    assert not {int(one[1:]) for one in stored} - sent - set(range(max(sent), max(sent) + 12))
    store.close()


@pytest.mark.slow
def test_no_acknowledged_event_is_lost_or_doubled(new_store_url: Callable[[], str]) -> None:
    check_kills(new_store_url(), 3)


@pytest.mark.thorough
def test_no_acknowledged_event_is_lost_or_doubled_by_200_kills(new_store_url: Callable[[], str]) -> None:
    check_kills(new_store_url(), 200)
