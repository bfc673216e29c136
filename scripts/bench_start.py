"""What starting costs: CPU time of `import mmrec` and of commands that need no data, each beside a bare Python or `import hydra`.

    python scripts/bench_start.py [n_repetitions]

All are run in turn, again and again, and the medians are compared: what else the machine does meets all of them alike.
"""

import resource
import statistics
import subprocess
import sys
import tempfile

BARE, HYDRA = ("-c", "pass"), ("-c", "import hydra")
COMPARED = {
    ("-c", "import mmrec"): BARE,
    ("-m", "mmrec.cli.main", "--version"): HYDRA,
    ("-m", "mmrec.cli.main", "--help"): HYDRA,
    ("-m", "mmrec.cli.main", "trian"): HYDRA,
    ("-m", "mmrec.cli.main", "train", "seeed=1"): HYDRA,
    ("-m", "mmrec.cli.main", "train", "resume=nowhere"): HYDRA,
}


def cpu_seconds(words: tuple[str, ...], folder: str) -> float:
    """The CPU time of one run of Python with these words, in an empty folder."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *words], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Prints a line a command."""
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    words = [BARE, HYDRA, *COMPARED]
    seconds: dict[tuple[str, ...], list[float]] = {one: [] for one in words}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(n):
            for one in words:
                seconds[one].append(cpu_seconds(one, folder))
    medians = {one: statistics.median(times) for one, times in seconds.items()}
    for one, peer in COMPARED.items():
        shown = f"python {' '.join(one)}"
        print(f"{shown:50} {1000 * medians[one]:7.0f} ms = {medians[one] / medians[peer]:5.2f} x `python {' '.join(peer)}`")


if __name__ == "__main__":
    main()
