"""Check the signatures of mmrec at run time, jaxtyping's shapes included, in all modules that are imported after this one."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

from beartype import BeartypeConf, FrozenDict, beartype
from beartype.roar import BeartypeDecorHintException, BeartypeDecorHintPep585DeprecationWarning
from jaxtyping import install_import_hook

_unread = FrozenDict({Sequence[bytes | None]: Sequence})  # looking at an item would read a file
_beartype = beartype(conf=BeartypeConf(is_pep484_tower=True, hint_overrides=_unread))  # an int is a float, as for mypy


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that checks its arguments and its result, or the function itself where only mypy can check its types."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BeartypeDecorHintPep585DeprecationWarning)
        try:
            return _beartype(function)
        except BeartypeDecorHintException:
            return function


install_import_hook("mmrec", f"{__name__}.checked")
