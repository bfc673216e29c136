"""How a peer takes its turns: in a process of its own, which reads a word a line on stdin and answers how many seconds that work took.

Beside this file it needs Python alone: peers have interpreters of their own.
"""

import json
import sys
import time
from collections.abc import Callable, Mapping
from typing import TextIO


def keep_stdout_for_answers() -> TextIO:
    """The stdout that the answers go to; all else that is printed from here on goes to stderr."""
    answers, sys.stdout = sys.stdout, sys.stderr
    return answers


def take_turns(work: Mapping[str, Callable[[], object]], answers: TextIO) -> None:
    """Does what each line names, until there are no more; answers in JSON with seconds of the CPU (all threads) and on the clock."""
    for line in sys.stdin:
        cpu, wall = time.process_time(), time.perf_counter()
        work[line.strip()]()
        seconds = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}
        print(json.dumps(seconds), file=answers, flush=True)
