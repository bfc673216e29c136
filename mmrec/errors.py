"""The errors a person can cause. Every one is printed as one message, without a traceback, and ends the command with exit code 2.

MmrecError
├── ConfigError     a key, a value or a `_target_` of the configuration; names the key and the nearest valid one
├── DataError       the content of a person's files; names file, line and column
├── MissingFile     a file or folder that is not there; names the nearest one that is
├── DownloadError   something that could not be fetched, or came with the wrong hash
├── StorageError    a disk that is full or refuses
│   └── DamagedCheckpoint   a checkpoint that is not as it was written; names the file
└── DivergedError   a loss, a gradient or a parameter that is no longer finite

Terminated is no error: someone asked the process to stop, and it ends with 128 + the number of the signal.
"""

import signal
from collections.abc import Iterable
from difflib import get_close_matches


class MmrecError(Exception):
    """Anything a person can put right: the message says what was expected, what came, and where."""

    exit_code = 2

    def __str__(self) -> str:
        return "\n".join(printable(line) for line in super().__str__().split("\n"))


class ConfigError(MmrecError):
    """A wrong key, value or target in the configuration."""


class DataError(MmrecError):
    """Something in a person's data files that cannot be used as it is."""


class MissingFile(MmrecError):
    """A file or folder that does not exist."""


class DownloadError(MmrecError):
    """A file that could not be fetched, or whose hash is not the pinned one."""


class StorageError(MmrecError):
    """Something that could not be written or read back."""


class DamagedCheckpoint(StorageError):
    """A checkpoint whose bytes are not those that were written."""


class DivergedError(MmrecError):
    """Training has left the finite numbers."""


class Terminated(SystemExit):
    """The process was asked to stop by SIGTERM or SIGINT, and has kept what it could. Exits with 128 + `signum`."""

    code: int

    def __init__(self, signum: int, detail: str = "") -> None:
        super().__init__(128 + signum)
        self.signum, self.detail = signum, detail

    def __str__(self) -> str:
        word = "interrupted" if self.signum == signal.SIGINT else "terminated"
        return f"{word}{self.detail}"


def printable(text: str) -> str:
    """The text with whatever does not print, escape codes of terminals above all, as Python would write it: `\\x1b[31m`."""
    return text if text.isprintable() else "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def nearest(name: str, valid: Iterable[str]) -> str:
    """A hint that ends an error message: the closest valid name if one is close, else all of them (at most twelve)."""
    names = sorted(str(v) for v in valid)
    close = get_close_matches(str(name), names, n=1, cutoff=0.6)
    if close:
        return f"did you mean `{close[0]}`?"
    if not names:
        return "there is none to choose from"
    more = f", … ({len(names) - 12} more)" if len(names) > 12 else ""
    return "choose from " + ", ".join(f"`{n}`" for n in names[:12]) + more
