"""Appends events to a store and prints each once it is acknowledged, until it is killed: `python append_until_killed.py URL FIRST`.

Two threads write: one in batches of three, the other one by one. Event n is of user `u<n modulo 5>`.
"""

import sys
import threading

from mmrec.serving.events.event import Event
from mmrec.serving.events.store_urls import open_store


def main() -> None:
    """Appends events FIRST, FIRST + 1, …, those with even numbers in one thread and those with odd numbers in another."""
    store, first = open_store(sys.argv[1]), int(sys.argv[2])
    print("open", flush=True)

    def write(start: int, size: int) -> None:
        number = start
        while True:
            numbers = range(number, number + 2 * size, 2)
            store.append([Event(f"e{n}", f"u{n % 5}", "i", float(n)) for n in numbers])
            sys.stdout.write("".join(f"{n}\n" for n in numbers))
            sys.stdout.flush()
            number += 2 * size

    threads = [threading.Thread(target=write, args=(first + n, size)) for n, size in enumerate((3, 1))]
    for thread in threads:
        thread.start()


if __name__ == "__main__":
    main()
