"""Print user errors as one message on stderr with an exit code, without a traceback."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from mmrec.cli.process.os_errors import describe_os_error
from mmrec.errors import MmrecError, Terminated
from mmrec.terminal import is_reader_gone, say


@contextmanager
def errors_as_messages(config_name: str = "train") -> Iterator[None]:
    """Within the block, print user errors as one message on stderr and exit with the code of the error; other exceptions propagate.

    Args:
        config_name: the primary configuration, whose keys are suggested in Hydra's errors.
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
    """Return the message of a user error; None for internal errors, and for a closed output stream."""
    if isinstance(error, MmrecError):
        return str(error)
    if _is_hydras(error):
        from mmrec.config.hydra.errors import explain

        return explain(error, config_name)
    if isinstance(error, OSError) and not (isinstance(error, BrokenPipeError) and is_reader_gone()):
        return describe_os_error(error)
    return None


def _is_hydras(error: Exception) -> bool:
    """Whether an exception is one of Hydra or OmegaConf, without importing them."""
    if "hydra" not in sys.modules:
        return False
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    return isinstance(error, HydraException | OmegaConfBaseException)


def _stop(message: str, code: int) -> NoReturn:
    say(*f"mmrec: {message}".split("\n"))
    sys.exit(code)
