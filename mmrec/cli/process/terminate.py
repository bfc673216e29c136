"""Handle SIGTERM: a command ends within ten seconds, whatever it is executing."""

import atexit
import contextlib
import gc
import multiprocessing
import os
import signal
import socket
import threading
from collections.abc import Iterator
from types import FrameType

from mmrec.errors import Terminated
from mmrec.terminal import say

GRACE_S = 8.0


@contextlib.contextmanager
def end_on_sigterm(grace_s: float = GRACE_S) -> Iterator[None]:
    """Within the block, raise Terminated in the main thread on SIGTERM; code that has to save its state may install another handler.

    The interpreter only runs signal handlers between its own instructions, so that a long library call delays them. A separate thread is
    therefore woken by the signal, and ends the process and its child processes `grace_s` seconds later.
    """
    atexit.register(gc.freeze)  # otherwise the final garbage collection traverses all objects of all libraries, which takes two seconds
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    done = threading.Event()
    handler = signal.signal(signal.SIGTERM, _terminate)
    descriptor = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(ours, done, grace_s), daemon=True).start()
    try:
        yield
    finally:
        done.set()
        signal.set_wakeup_fd(descriptor)
        signal.signal(signal.SIGTERM, handler)
        theirs.close()


def _terminate(signum: int, frame: FrameType | None) -> None:
    raise Terminated(signum)


def _watch(wakened: socket.socket, done: threading.Event, grace_s: float) -> None:
    with wakened:
        while numbers := wakened.recv(64):
            if signal.SIGTERM in numbers and not done.wait(grace_s):
                with contextlib.suppress(OSError):
                    say(f"mmrec: terminated: the current operation did not end within {grace_s:g} s")
                for child in multiprocessing.active_children():
                    child.kill()
                os._exit(128 + signal.SIGTERM)
