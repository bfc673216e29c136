"""Decode untrusted pictures to upright RGB; failures are a ValueError with the reason.

Pictures are decoded by `mmrec.data.pictures.decode_worker` in a separate process per calling thread.
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
"""The version of the decoded pixels, part of the feature cache's keys. 2: the upper 8 of 16 bits instead of white."""
MAX_S = 60
"""The time limit for a picture, in seconds of wall-clock time."""
_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")
"""The environment variables that Python and its libraries need to start; the decoder gets no others."""
_of_thread = threading.local()


def decode_picture(raw: bytes) -> Image.Image:
    """Decode a picture to RGB: the first frame of an animation, rotated by its EXIF tag, transparency on white, without metadata.

    Raises:
        ValueError: the bytes are not a picture or truncated, exceed `MAX_PIXELS` or `MAX_ASPECT`, or take more memory or time than those
            could; or the decoder crashed, in which case the next call starts another one.
    """
    worker = getattr(_of_thread, "worker", None)
    if worker is None or worker.parent != os.getpid():  # after a fork, the pipes belong to the parent
        worker = _Worker()
    _of_thread.worker = None  # an exception below leaves a partial answer in the pipe
    found = worker.decode(raw)
    if worker.process.poll() is None:
        _of_thread.worker = worker
    if isinstance(found, str):
        raise ValueError(found)
    return found


class _Worker:
    """The worker process and the parent's end of its pipes. The process ends with this object, and thus with the thread."""

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
        self.stdin, self.stdout = (cast("io.FileIO", pipe) for pipe in (self.process.stdin, self.process.stdout))  # unbuffered pipes
        os.set_blocking(self.stdin.fileno(), False)  # detects a process that has stopped reading
        self.takes, self.gives = _ready(self.stdin, select.POLLOUT), _ready(self.stdout, select.POLLIN)
        self.until: float | None = None  # no time limit for starting
        if len(self._read(HEADER.size)) < HEADER.size:
            raise RuntimeError(f"the picture decoder cannot be started: `{' '.join(command)}` fails")

    def decode(self, raw: bytes) -> Image.Image | str:
        """The picture, or the reason why it cannot be decoded."""
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
        """Read `size` bytes, or fewer if the process has ended; valid until the next read."""
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
        """Wait until a pipe is ready; kill the process at the time limit, which makes the pipe ready."""
        if not pipe.poll(None if self.until is None else max(0.0, self.until - time.monotonic()) * 1000):
            self.process.kill()

    def _last_words(self, seconds: float) -> str:
        code = self.process.wait()  # its pipes are closed, so it has ended
        if seconds >= MAX_S or code == -getattr(signal, "SIGXCPU", 0):
            return f"the picture takes too long to decode, more than {MAX_CPU_S} s"
        return f"the picture crashes the decoder, which ended with {code}"


def _ready(pipe: io.FileIO, event: int) -> select.poll:
    """A poll object that waits until a pipe can be written or read."""
    poll = select.poll()
    poll.register(pipe, event)
    return poll


def _end(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    process.kill()
    process.wait()
