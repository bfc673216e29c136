"""Events hold what can be stored and trained on, and say which field does not."""

import math

import pytest

from mmrec.errors import DataError
from mmrec.serving.events.event import LAST_SECOND, MAX_ID_LENGTH, Event


def test_the_extremes_are_events() -> None:
    longest = "é" * MAX_ID_LENGTH
    assert Event(longest, longest, longest, LAST_SECOND, "click", 0, 1.0, longest).propensity == 1
    assert Event("1", "2", "3", 0).event == "click"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("event_id", ""),
        ("user_id", "a\0b"),
        ("item_id", "\ud800"),
        ("item_id", "x" * (MAX_ID_LENGTH + 1)),
        ("event", ""),
        ("model", "\udfff"),
        ("timestamp", math.nan),
        ("timestamp", math.inf),
        ("timestamp", -1.0),
        ("timestamp", 1e12),
        ("position", -1),
        ("position", 2**63),
        ("propensity", 0.0),
        ("propensity", 1.5),
        ("propensity", math.nan),
    ],
)
def test_what_is_not_of_its_kind_is_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(DataError, match=f"^{field}: expected .*, found "):
        Event(**{"event_id": "e", "user_id": "u", "item_id": "i", "timestamp": 1.0, field: value})
