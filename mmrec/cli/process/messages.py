"""Errors as messages: what a person can put right is one message on stderr and an exit code, never a traceback."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from mmrec.cli.process.os_errors import describe_os_error
from mmrec.errors import MmrecError, Terminated
from mmrec.terminal import is_reader_gone, say


@contextmanager
def errors_as_messages(config_name: str = "train") -> Iterator[None]:
    """Prints what a person can put right as one message on stderr and exits with its code; lets everything else through.

    `config_name` is the primary configuration whose keys Hydra's errors are about.
    """
    try:
        yield
    except KeyboardInterrupt:
        _stop("interrupted", 130)
    except Terminated as end:
        _stop(str(end), end.code)
    except Exception as error:
        if (message := message_of(error, config_name)) is None:
            raise
        _stop(message, MmrecError.exit_code)


def message_of(error: Exception, config_name: str) -> str | None:
    """What to tell a person of an error; None for one that nobody but who writes mmrec can put right, or when nobody is there to read."""
    if isinstance(error, MmrecError):
        return str(error)
    if _is_hydras(error):
        from mmrec.config.hydra.errors import explain

        return explain(error, config_name)
    if isinstance(error, OSError) and not (isinstance(error, BrokenPipeError) and is_reader_gone()):
        return describe_os_error(error)
    return None


def _is_hydras(error: Exception) -> bool:
    """Whether it comes from Hydra or OmegaConf, which most commands that end early have not imported."""
    if "hydra" not in sys.modules:
        return False
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    return isinstance(error, HydraException | OmegaConfBaseException)


def _stop(message: str, code: int) -> NoReturn:
    say(*f"mmrec: {message}".split("\n"))
    sys.exit(code)
