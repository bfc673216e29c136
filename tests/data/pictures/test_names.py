"""Pictures called by what a column holds: patterns say what a regular expression would, in time that does not explode."""

import re
import time

from hypothesis import given
from hypothesis import strategies as st

from mmrec.data.pictures.names import _value_in

PART = st.text("ab*", max_size=4)


@given(PART, PART, st.text("ab", max_size=10))
def test_a_value_is_what_a_regular_expression_finds(before: str, after: str, name: str) -> None:
    one, other = (re.escape(part).replace(r"\*", ".*") for part in (before, after))
    match = re.fullmatch(f"{one}(.+){other}", name)
    assert _value_in(name, before, after) == (match and match[1])


def test_many_stars_take_no_time() -> None:
    start = time.perf_counter()
    assert _value_in("a" * 250, "*a" * 100 + "*b", "*a" * 100) is None
    assert time.perf_counter() - start < 1
