"""Time and peak memory of `mmrec train data=folder` with the default baselines on a generated shop of 100,000 items.

    python scripts/bench_large_shop.py [--items 1000000] [override …]

Interactions follow tastes: every user and item belongs to one of 200 groups, three quarters of a user's items are of their group, and
within one popularity falls off as 1 / rank.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

N_GROUPS = 200


def write_shop(folder: Path, n_users: int, n_items: int, n_rows: int, seed: int = 0) -> None:
    """Writes interactions.csv; every pair of user and item occurs once."""
    rng = np.random.default_rng(seed)
    users = rng.choice(n_users, 2 * n_rows, p=_falling(n_users, 0.5))
    group = np.where(rng.random(len(users)) < 0.75, users % N_GROUPS, rng.integers(N_GROUPS, size=len(users)))
    rank = rng.choice(n_items // N_GROUPS, len(users), p=_falling(n_items // N_GROUPS, 1.0))
    items, times = rank * N_GROUPS + group, 1_600_000_000 + rng.integers(0, 365 * 86_400, len(users))
    table = pl.DataFrame({"user_id": users, "item_id": items, "timestamp": times})
    table.unique(["user_id", "item_id"], keep="first", maintain_order=True).head(n_rows).write_csv(folder / "interactions.csv")


def _falling(n: int, power: float) -> np.ndarray:
    """Probabilities that fall off as a power of the rank."""
    weights = np.arange(1, n + 1) ** -power
    return weights / weights.sum()


def main() -> None:
    """Generates the shop in a temporary folder and trains on it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("users", 50_000), ("items", 100_000), ("rows", 400_000)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("overrides", nargs="*", help="of mmrec train, such as trainer.max_epochs=2")
    words = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_shop(Path(folder), words.users, words.items, words.rows)
        command = [sys.executable, "-m", "mmrec.cli.main", "train", "data=folder", f"data.path={folder}", f"run_dir={folder}/run"]
        start = time.perf_counter()
        process = subprocess.Popen([*command, f"paths.cache={folder}/cache", *words.overrides])
        _, status, used = os.wait4(process.pid, 0)
    seconds, processor_s = time.perf_counter() - start, used.ru_utime + used.ru_stime
    print(f"{seconds:.0f} s, {processor_s:.0f} s of processors, peak {used.ru_maxrss / 2**20:.2f} GiB")
    sys.exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
