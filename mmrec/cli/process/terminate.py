"""What SIGTERM does to a command: it ends within ten seconds, wherever it is."""

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
    """SIGTERM raises Terminated in the main thread; whoever has something to keep may answer it otherwise meanwhile.

    The interpreter runs handlers between its own instructions alone, so one long call of a library would put them off. A thread is woken by
    the signal itself and ends the process, and those it started, `grace_s` seconds later.
    """
    atexit.register(gc.freeze)  # else the interpreter, before it ends, collects through all objects of all libraries: two seconds
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
                    say(f"mmrec: terminated: what it was at took longer than {grace_s:g} s")
                for child in multiprocessing.active_children():
                    child.kill()
                os._exit(128 + signal.SIGTERM)
