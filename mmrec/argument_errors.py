"""Convert exceptions of constructors about invalid values to messages that name the configuration key."""

from collections.abc import Callable
from typing import TypeVar

from mmrec.errors import ConfigError, MmrecError

_T = TypeVar("_T")


def name_key_in_errors(key: str, make: Callable[[], _T]) -> _T:
    """Return the result of `make`, converting exceptions about invalid values to a ConfigError that names the key.

    Args:
        key: the configuration key that the user would change.
        make: called without arguments.

    Raises:
        ConfigError: `make` raises ValueError, TypeError, ImportError or Lightning's MisconfigurationException.
    """
    try:
        return make()
    except MmrecError:
        raise
    except Exception as error:
        if is_argument_error(error):
            raise ConfigError(f"{key}: {error}") from error
        raise


def is_argument_error(error: BaseException) -> bool:
    """Return whether an exception concerns an invalid value: ours, ValueError, TypeError, ImportError or Lightning's own."""
    return isinstance(error, MmrecError | ValueError | TypeError | ImportError) or type(error).__name__ == "MisconfigurationException"
