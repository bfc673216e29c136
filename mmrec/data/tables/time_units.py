"""Detect the unit of a column of times from its numbers, and convert it to seconds since 1970 UTC.

Numbers may be seconds, milliseconds, microseconds or nanoseconds since 1970, spreadsheet days, years, or the digits of a date. All numbers
of a column must share one unit; times in another unit cannot be used. A detected unit other than seconds is reported in a note, and so are
times that are implausible in that unit.
"""

from collections import Counter, defaultdict

import polars as pl
from polars.expr.whenthen import ChainedThen, Then

from mmrec.data.tables.aggregates import maximum, minimum
from mmrec.data.tables.raw import TableFile
from mmrec.errors import DataError

EARLIEST, LATEST = 631_152_000, 4_102_444_800
"""1990 and 2100: times between them are plausible."""
SECONDS, YEARS, SHEET_DAYS = "seconds", "years", "days since 1899-12-30, as spreadsheets count them"
_SCALES = {SECONDS: 1, "milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}
_LATEST_SECOND = 10**11
"""The year 5138. Larger numbers are in a smaller unit: each unit covers times up to that year that the unit before it does not."""
_DIGITS = {"dates, YYYYMMDD": 10**6, "dates with minutes, YYYYMMDDhhmm": 10**2, "dates with seconds, YYYYMMDDhhmmss": 1}
"""Formats of dates written as digits, with the factor that extends them to YYYYMMDDhhmmss."""
_LEAST_YEAR, _GREATEST_YEAR = 1900, 2100
_SHEET_DAY_OF_1970, _DAY = 25_569, 86_400
_SHARE = 0.9
"""The fraction of a column that must look like years, spreadsheet days or date digits: times in 1970 may look like them as well."""


class TimeUnits:
    """Counts of the time units in a column that is added in pieces.

    Args:
        is_nullable: whether times may be missing, in which case a column of zeros is accepted.
    """

    def __init__(self, is_nullable: bool) -> None:
        self._is_nullable = is_nullable
        self._n_rows = self._n_zero = 0
        self._counts: Counter[str] = Counter()
        self._unlikely: dict[str, list[tuple[int, int, int]]] = defaultdict(list)
        """For each unit and piece: the number of implausible times, their minimum and maximum."""

    def add(self, parsed: pl.DataFrame, name: str) -> None:
        """Add the next rows, as returned by `mmrec.data.tables.columns.parse`, with times in the column `name`."""
        times = parsed[name].drop_nulls()
        n_zero = int((times == 0).sum())
        self._n_rows, self._n_zero = self._n_rows + len(times), self._n_zero + n_zero
        if fraction_of(name) not in parsed.columns:  # dates and times rather than numbers
            return
        if len(times) and minimum(times) >= EARLIEST and maximum(times) <= LATEST:
            self._counts[SECONDS] += len(times)
            return
        time = pl.col(name)
        unlikely = time.filter(_is_unlikely(time))
        numbers = times.to_frame().filter(time != 0).group_by(_unit(time).alias("unit"))
        for unit, n, *odd in numbers.agg(pl.len(), unlikely.len().alias("n"), unlikely.min(), unlikely.max().alias("max")).rows():
            self._counts[unit] += n
            if odd[0]:
                self._unlikely[unit].append(tuple(odd))
        if n_zero:
            self._unlikely["0"].append((n_zero, 0, 0))

    @property
    def unit(self) -> str | None:
        """The most frequent unit, the largest in case of a tie; years, spreadsheet days and date digits only if nearly all times are.

        None if all times are seconds, so that no conversion is needed.
        """
        scaled: Counter[str] = Counter()
        for unit, n in self._counts.items():
            if unit not in _SCALES and n >= _SHARE * self._counts.total():
                return unit
            scaled[_scale_of(unit)] += n
        return max(scaled, key=lambda unit: (scaled[unit], -_SCALES[unit])) if set(scaled) - {SECONDS} else None

    def notes(self, name: str, table: TableFile) -> tuple[str, ...]:
        """Notes on the detected unit of the column `name`, unless it is seconds, and on implausible times.

        Raises:
            DataError: the column has several times and all are 0.
        """
        if self._n_zero == self._n_rows > 1 and not self._is_nullable:
            raise DataError(
                f"{table.path}: expected times in `{name}`, found 0, which is 1970-01-01, in all {self._n_rows:,} rows; "
                "write the times, as ISO 8601 such as 2024-12-31T23:59 or in seconds since 1970, or leave the column out"
            )
        unit = self.unit or SECONDS
        notes: tuple[str, ...] = () if unit == SECONDS else (f"{table.path}: {name} is in {unit}",)
        odd = [one for other, found in self._unlikely.items() if other == "0" or _scale_of(other) == unit for one in found]
        if unit in _SCALES and odd:
            counts, least, greatest = zip(*odd, strict=True)
            span = f"from {min(least)} to {max(greatest)}" if min(least) < max(greatest) else f"all {least[0]}"
            counted = f"{table.path}: {sum(counts):,} of {self._n_rows:,} times in {name}, {span}"
            remedy = "if they are none, write ISO 8601 such as 2024-12-31T23:59"
            notes += (f"{counted}, are outside of the years 1990 to 2100 as {unit} since 1970; {remedy}",)
        return notes


def fraction_of(name: str) -> str:
    """The name of the column with the fractional parts of the times in the column `name`, if those were numbers."""
    return f"__fraction_{name}__"


def in_seconds(time: pl.Expr, fraction: pl.Expr, unit: str) -> pl.Expr:
    """Convert times to seconds since 1970 UTC, given the unit of their column; null for times in another unit."""
    same = pl.when(_unit(time) == unit).then(time)
    if unit == YEARS:
        return pl.date(same, 1, 1).dt.epoch("s")
    if unit == SHEET_DAYS:
        return (same - _SHEET_DAY_OF_1970) * _DAY + (fraction.fill_null(0) * _DAY).round().cast(pl.Int64)
    if unit in _DIGITS:
        return _read_digits(same, _DIGITS[unit]).dt.epoch("s")
    same = pl.when((_size_unit(time.abs()) == unit) | (time == 0)).then(time)
    return same // _SCALES[unit]


def _scale_of(unit: str) -> str:
    """The unit that the magnitude of a unit's numbers suggests."""
    return unit if unit in _SCALES else "milliseconds" if unit in list(_DIGITS)[1:] else SECONDS


def _unit(time: pl.Expr) -> pl.Expr:
    """The most likely unit of each nonzero number, by its magnitude and digits."""
    found: Then | ChainedThen = pl.when(time.is_between(_LEAST_YEAR, _GREATEST_YEAR)).then(pl.lit(YEARS))
    first, last = (second // _DAY + _SHEET_DAY_OF_1970 for second in (EARLIEST, LATEST))
    found = found.when(time.is_between(first, last)).then(pl.lit(SHEET_DAYS))
    for unit, factor in _DIGITS.items():
        found = found.when(_read_digits(time, factor).is_not_null()).then(pl.lit(unit))
    return found.otherwise(_size_unit(time.abs()))


def _size_unit(size: pl.Expr) -> pl.Expr:
    found: Then | ChainedThen = pl.when(size < _LATEST_SECOND).then(pl.lit(SECONDS))
    for unit, scale in list(_SCALES.items())[1:-1]:
        found = found.when(size < _LATEST_SECOND * scale).then(pl.lit(unit))
    return found.otherwise(pl.lit(list(_SCALES)[-1]))


def _is_unlikely(time: pl.Expr) -> pl.Expr:
    """Whether a number is outside the plausible years in every unit."""
    likely = (time.is_between(EARLIEST * scale, LATEST * scale) for scale in _SCALES.values())
    return ~pl.any_horizontal(*likely)


def _read_digits(time: pl.Expr, factor: int) -> pl.Expr:
    """Parse numbers whose digits, multiplied by the factor, read YYYYMMDDhhmmss; null for other numbers."""
    least, end = (year * 10**10 // factor for year in (_LEAST_YEAR, _GREATEST_YEAR + 1))
    digits = (pl.when(time.is_between(least, end)).then(time) * factor).cast(pl.String)
    return digits.str.to_datetime("%Y%m%d%H%M%S", strict=False, time_unit="us")
