"""Decoding pictures nobody has vouched for: what comes back is RGB and upright, or a ValueError that says what is wrong.

The decoding is done by `mmrec.data.pictures.decode_worker` in a process of its own, one for each thread that asks.
"""

import io
import os
import select
import signal
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path
from typing import cast

import PIL
from PIL import Image

from mmrec.data.pictures import decode_worker as picture_worker
from mmrec.data.pictures.decode_worker import HEADER, MAX_CPU_S

DECODING = 2
"""Of what pixels become; another number is another key in the feature cache. 2: the upper 8 of 16 bits, where it was white."""
MAX_S = 60
"""By the clock, of one picture."""
_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")
"""What Python and its libraries need to start; a decoder is to see nothing else of it."""
_of_thread = threading.local()


def decode_picture(raw: bytes) -> Image.Image:
    """The picture in `raw` as RGB: first frame of an animation, turned upright by its EXIF tag, transparency on white, no metadata.

    Raises ValueError for bytes that are no picture or are cut short, for more than `MAX_PIXELS` or `MAX_ASPECT`, and for what takes more
    memory or time than these can, or kills its decoder, after which another takes over.
    """
    worker = getattr(_of_thread, "worker", None)
    if worker is None or worker.parent != os.getpid():  # after a fork the pipes are still the parent's
        worker = _Worker()
    _of_thread.worker = None  # whatever is raised on the way leaves half an answer in the pipe
    found = worker.decode(raw)
    if worker.process.poll() is None:
        _of_thread.worker = worker
    if isinstance(found, str):
        raise ValueError(found)
    return found


class _Worker:
    """The process, and the parent's end of its pipes. It ends with this object, hence with the thread."""

    def __init__(self) -> None:
        home = Path(PIL.__file__).resolve().parent.parent
        self.parent, self.buffer = os.getpid(), bytearray(2**20)
        command = [sys.executable, "-I", "-S", picture_worker.__file__, str(home)]
        self.process = subprocess.Popen(
            command,
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
        )
        weakref.finalize(self, _end, self.process)
        self.stdin, self.stdout = (cast("io.FileIO", pipe) for pipe in (self.process.stdin, self.process.stdout))  # pipes without a buffer
        os.set_blocking(self.stdin.fileno(), False)  # a process that has stopped reading is noticed
        self.takes, self.gives = _ready(self.stdin, select.POLLOUT), _ready(self.stdout, select.POLLIN)
        self.until: float | None = None  # starting is no picture's fault, and takes as long as it takes
        if len(self._read(HEADER.size)) < HEADER.size:
            raise RuntimeError(f"the picture decoder cannot be started: `{' '.join(command)}` fails")

    def decode(self, raw: bytes) -> Image.Image | str:
        """The picture, or why there is none."""
        start = time.monotonic()
        self.until = start + MAX_S
        try:
            self._write(HEADER.pack(len(raw), 0, 0))
            self._write(raw)
            header = self._read(HEADER.size)
            size, width, height = HEADER.unpack(header) if len(header) == HEADER.size else (1, 0, 0)
            content = self._read(size)
        except BrokenPipeError:
            size, content = 1, memoryview(b"")
        if len(content) < size:
            return self._last_words(time.monotonic() - start)
        return Image.frombytes("RGB", (width, height), content) if width else str(content, "utf-8")

    def _write(self, content: bytes) -> None:
        view = memoryview(content)
        while view:
            self._wait(self.takes)
            view = view[self.stdin.write(view) or 0 :]

    def _read(self, size: int) -> memoryview:
        """As many bytes, fewer where the process has ended; they last until the next are read."""
        if size > len(self.buffer):
            self.buffer = bytearray(size)
        view, n_read = memoryview(self.buffer), 0
        while n_read < size:
            self._wait(self.gives)
            if not (n := self.stdout.readinto(view[n_read:size])):
                break
            n_read += n
        return view[:n_read]

    def _wait(self, pipe: select.poll) -> None:
        """Until a pipe is ready. Ends the process when its time is over: then it is."""
        if not pipe.poll(None if self.until is None else max(0.0, self.until - time.monotonic()) * 1000):
            self.process.kill()

    def _last_words(self, seconds: float) -> str:
        code = self.process.wait()  # its end of the pipes is closed: it has ended
        if seconds >= MAX_S or code == -getattr(signal, "SIGXCPU", 0):
            return f"the picture takes too long to decode, more than {MAX_CPU_S} s"
        return f"the picture breaks its decoder, which ended with {code}"


def _ready(pipe: io.FileIO, event: int) -> select.poll:
    """What says whether a pipe can be written to, or read from."""
    poll = select.poll()
    poll.register(pipe, event)
    return poll


def _end(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    process.kill()
    process.wait()
