"""The time of a request, given as a date, a time or seconds."""

from datetime import UTC, date, datetime

from mmrec.errors import ConfigError

At = str | int | float | date
"""A date or time in ISO 8601, UTC unless it says otherwise; or seconds UTC."""


def seconds_of(at: At) -> int:
    """Convert the time of a request to seconds UTC.

    Raises:
        ConfigError: it is neither a date nor a number.
    """
    if isinstance(at, bool):
        raise _not_a_date(at)
    if isinstance(at, int | float):
        return round(at)
    if isinstance(at, datetime):
        return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())
    if isinstance(at, date):
        return round(datetime(at.year, at.month, at.day, tzinfo=UTC).timestamp())
    try:
        return seconds_of(datetime.fromisoformat(at))
    except ValueError:
        raise _not_a_date(at) from None


def _not_a_date(at: object) -> ConfigError:
    return ConfigError(f"at: expected a date or time such as 2001-03-01 or 2001-03-01T12:00, found `{at}`")
