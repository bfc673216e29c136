"""Check plain values from files against type hints."""

import types
from collections.abc import Sequence
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, Union, get_args, get_origin


def fits(value: Any, hint: Any) -> bool:
    """Whether a plain value matches a type hint of scalars, lists, dicts, dataclasses (as a node) and unions; others match anything."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return any(fits(value, one) for one in arguments)
    if hint is type(None):
        return value is None
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if hint in (str, bool):
        return isinstance(value, hint)
    if hint is Path:
        return isinstance(value, str)
    if origin in (list, Sequence):
        return isinstance(value, list) and all(fits(one, arguments[0]) for one in value)
    if origin is dict or is_dataclass(hint):
        return isinstance(value, dict)
    return True


def type_name(hint: Any) -> str:
    """The name of a type hint in messages."""
    if isinstance(hint, type) and not get_args(hint):
        return hint.__name__
    return str(hint).replace("collections.abc.Sequence", "list").replace("typing.", "")
