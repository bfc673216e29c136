"""The errors that users can cause. Each is printed as one message without a traceback, and ends the command with exit code 2.

MmrecError
├── ConfigError     a key, a value or a `_target_` of the configuration; names the key and the nearest valid one
├── MissingExtra    an optional package that is not installed; names the extra that installs it
├── DataError       the content of a user's files; names file, line and column
├── MissingFile     a file or folder that does not exist; names the nearest one that does
├── DownloadError   a failed download, or one with the wrong hash
├── StorageError    a file that cannot be written, for example because the disk is full
│   └── DamagedCheckpoint   a checkpoint that was modified or is incomplete; names the file
└── DivergedError   a loss, a gradient or a parameter that is not finite

Terminated is not an error: the process was asked to stop, and exits with 128 + the signal number.
"""

import signal
from collections.abc import Iterable
from difflib import get_close_matches


class MmrecError(Exception):
    """An error that the user can fix: the message says what was expected, what was found, and where."""

    exit_code = 2

    def __str__(self) -> str:
        return "\n".join(printable(line) for line in super().__str__().split("\n"))


class ConfigError(MmrecError):
    """An invalid key, value or target in the configuration."""


class MissingExtra(MmrecError):
    """A package that only some features need and that is not installed."""

    def __init__(self, extra: str, reason: str, instead: str = "") -> None:
        super().__init__(f"{reason}: pip install 'mmrec[{extra}]'" + (f", or {instead}" if instead else ""))
        self.extra = extra


class DataError(MmrecError):
    """Content of a user's data files that cannot be used."""


class MissingFile(MmrecError):
    """A file or folder that does not exist."""


class DownloadError(MmrecError):
    """A failed download, or a file whose hash is not the pinned one."""


class StorageError(MmrecError):
    """A file that could not be written or read back."""


class DamagedCheckpoint(StorageError):
    """A checkpoint whose content differs from what was written."""


class DivergedError(MmrecError):
    """Training diverged: a loss, a gradient or a parameter is not finite."""


class Terminated(SystemExit):
    """The process was stopped by SIGTERM or SIGINT, after saving what it could. Exits with 128 + `signum`."""

    code: int

    def __init__(self, signum: int, detail: str = "") -> None:
        super().__init__(128 + signum)
        self.signum, self.detail = signum, detail

    def __str__(self) -> str:
        word = "interrupted" if self.signum == signal.SIGINT else "terminated"
        return f"{word}{self.detail}"


def printable(text: str) -> str:
    """Escape characters that are not printable, such as terminal control codes, in Python's notation: `\\x1b[31m`."""
    return text if text.isprintable() else "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def nearest(name: object, valid: Iterable[object]) -> str:
    """A hint for the end of an error message: the closest valid name if one is close, else all names (at most twelve)."""
    names = sorted(str(v) for v in valid)
    close = get_close_matches(str(name), names, n=1, cutoff=0.6)
    if close:
        return f"did you mean `{close[0]}`?"
    if not names:
        return "there is none to choose from"
    more = f", … ({len(names) - 12} more)" if len(names) > 12 else ""
    return "choose from " + ", ".join(f"`{n}`" for n in names[:12]) + more
