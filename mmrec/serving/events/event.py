"""An event: a user did something with an item, or was shown it."""

import math
from dataclasses import dataclass

from mmrec.errors import DataError

IMPRESSION, CLICK, LIKE, DISLIKE = "impression", "click", "like", "dislike"
NOT_POPULAR = (IMPRESSION, DISLIKE)
"""The kinds of events that do not make an item popular."""
MAX_ID_LENGTH, MAX_POSITION = 512, 2**31 - 1
FIRST_SECOND, LAST_SECOND = 0.0, 253_402_300_799.0
"""1970-01-01 and the last second of the year 9999, UTC."""


@dataclass(frozen=True)
class Event:
    """An event as the service stores it.

    Args:
        event_id: any text that is different for every event; sending an event again has no effect.
        user_id: the user.
        item_id: the item.
        timestamp: seconds since 1970, UTC.
        event: what happened: `click`, `purchase`, `like`, `dislike`, or `impression` where the item was only shown; any text.
        position: the rank in the list at which the item was shown, from 1.
        propensity: the probability with which the item was shown at that position, above 0, at most 1.
        model: the version of the model that made the list.

    Raises:
        DataError: where a value is not of its kind; the message names the field.
    """

    event_id: str
    user_id: str
    item_id: str
    timestamp: float
    event: str = CLICK
    position: int | None = None
    propensity: float | None = None
    model: str | None = None

    def __post_init__(self) -> None:
        for name in ("event_id", "user_id", "item_id", "event"):
            check_id(name, getattr(self, name))
        if self.model is not None:
            check_id("model", self.model)
        if not (math.isfinite(self.timestamp) and FIRST_SECOND <= self.timestamp <= LAST_SECOND):
            raise DataError(f"timestamp: expected seconds since 1970 (UTC), at most {LAST_SECOND:.0f}, found {self.timestamp}")
        if self.position is not None and not 0 <= self.position <= MAX_POSITION:
            raise DataError(f"position: expected a whole number from 0 to {MAX_POSITION}, found {self.position}")
        if self.propensity is not None and not 0 < self.propensity <= 1:
            raise DataError(f"propensity: expected a number above 0 and at most 1, found {self.propensity}")


def check_id(name: str, value: str) -> None:
    """Check a text that identifies something.

    Args:
        name: what it is, for the message.
        value: the text.

    Raises:
        DataError: where it is empty, longer than `MAX_ID_LENGTH` characters, or contains NUL or half of a surrogate pair.
    """
    if not value or len(value) > MAX_ID_LENGTH:
        raise DataError(f"{name}: expected 1 to {MAX_ID_LENGTH} characters, found {len(value)}")
    if not is_id(value):
        raise DataError(f"{name}: expected text, found NUL or half of a surrogate pair")


def is_id(value: str) -> bool:
    """Return whether a text has 1 to `MAX_ID_LENGTH` characters, and neither NUL nor half of a surrogate pair."""
    return 0 < len(value) <= MAX_ID_LENGTH and "\0" not in value and not any("\ud800" <= character <= "\udfff" for character in value)
