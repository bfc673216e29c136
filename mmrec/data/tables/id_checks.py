"""Checks of id columns: ids that differ only in spelling, and columns that switch between integers and other text."""

import polars as pl

from mmrec.errors import printable

_WHOLE = r"^[+-]?\d+$"
_PLAIN = r"^(0|[1-9]\d*|[a-z_][a-z\d_.:/-]*)$"
"""Ids that are their own normal form: ASCII, lower case, without spaces, leading zeros or a trailing `.0`."""


def near_ids(ids: pl.Series) -> tuple[str, ...]:
    """A note if distinct ids differ only in case, spaces, leading zeros, a trailing `.0`, invisible characters or Unicode form.

    Such ids are kept apart. `ids` is a String column, with or without repetitions.
    """
    if are_plain(ids):
        return ()
    distinct, text = ids.unique().drop_nulls(), pl.col("id")
    if (distinct.str.len_bytes() != distinct.str.len_chars()).any():
        text = text.str.normalize("NFKC").str.replace_all(r"\p{Cf}", "")
    plain = text.str.strip_chars().str.to_lowercase().str.replace_all(r"\s+", " ")
    plain = plain.str.replace(r"^0+(\d)", "$1").str.replace(r"^(\d+)\.0+$", "$1")
    groups = (
        pl.DataFrame({"id": distinct})
        .lazy()
        .group_by(plain.alias("plain"))
        .agg(pl.len(), pl.col("id").sort().head(2))
        .filter(pl.col("len") > 1)
        .sort("plain")
        .collect()
    )
    if groups.is_empty():
        return ()
    one, other = map(printable, groups["id"][0])
    more = f", as do {len(groups) - 1:,} more" if len(groups) > 1 else ""
    said = "differ only by case, spaces, invisible characters, leading zeros or Unicode form"
    return (f"{ids.name}: `{one}` and `{other}` {said}{more}; they are kept apart",)


def are_plain(ids: pl.Series) -> bool:
    """Whether all ids are their own normal form, so that no two distinct ids differ only in spelling."""
    return bool(ids.str.contains(_PLAIN).all())


class Kinds:
    """Detects whether the ids of a column, added in pieces, are integers up to some row and other text from there on, or the reverse.

    A single id of one kind does not count as a change.
    """

    def __init__(self) -> None:
        self.starts_whole: bool | None = None
        """Whether the first id is an integer."""
        self._counts, self._n_changes, self._first_change, self._last = {True: 0, False: 0}, 0, 0, None

    def add(self, ids: pl.Series, rows: pl.Series) -> None:
        """Add the next ids and their row numbers."""
        if ids.is_empty():
            return
        is_whole = ids.str.contains(_WHOLE)
        if self._last is None:
            self._last = self.starts_whole = is_whole[0]
        changes = (is_whole != is_whole.shift(fill_value=self._last)).arg_true()
        if len(changes) and not self._n_changes:
            self._first_change = int(rows[changes[0]])
        self._n_changes, self._last = self._n_changes + len(changes), is_whole[-1]
        for kind, n in ((True, int(is_whole.sum())), (False, int((~is_whole).sum()))):
            self._counts[kind] += n

    @property
    def change(self) -> int | None:
        """The row number of the first id of the second kind; None if the kinds alternate or never change."""
        return self._first_change if self._n_changes == 1 and min(self._counts.values()) > 1 else None
