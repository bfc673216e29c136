"""mmrec.type_hints: which plain values are of a type hint."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from mmrec.type_hints import fits


@pytest.mark.parametrize(
    ("value", "hint", "expected"),
    [
        (1, int, True),
        (1.0, int, False),
        (True, int, False),
        ("1", int, False),
        (1, float, True),
        (1.5, float, True),
        (False, float, False),
        ("x", float, False),
        ("x", str, True),
        (1, str, False),
        (None, str, False),
        (None, str | None, True),
        (2, str | None, False),
        (True, bool, True),
        (1, bool, False),
        (0, bool, False),
        ("a/b", Path, True),
        (3, Path, False),
        ([1, 2], list[int], True),
        ([], list[int], True),
        ([1, "2"], list[int], False),
        ("ab", list[str], False),
        ([1, 2], Sequence[int], True),
        ([1, "2"], Sequence[int], False),
        ("ab", Sequence[str], False),
        ({"a": 1}, dict[str, str], True),
        (["a"], dict[str, str], False),
        (None, list[str] | None, True),
        ([1], list[str] | None, False),
        (object(), Callable[..., int], True),
        (None, None, True),
        (3, Any, True),
    ],
)
def test_fits(value: Any, hint: Any, expected: bool) -> None:
    assert fits(value, type(None) if hint is None else hint) is expected
