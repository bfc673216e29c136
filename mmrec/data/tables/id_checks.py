"""What is odd about ids, which stay the text that they are: pairs that a person would take for one, and a kind that changes half-way."""

import polars as pl

from mmrec.errors import printable

_WHOLE = r"^[+-]?\d+$"
_PLAIN = r"^(0|[1-9]\d*|[a-z_][a-z\d_.:/-]*)$"
"""Ids that are the only ones of their look: ASCII, lower case, no spaces, leading zeros or `.0`."""


def near_ids(ids: pl.Series) -> tuple[str, ...]:
    """A note where ids differ only by case, spaces, leading zeros, a trailing `.0`, invisible characters or their Unicode form; they are
    kept apart.

    `ids: String`, repeated or not.
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
    """Whether all ids are the only ones of their look, so that no two that differ are near."""
    return bool(ids.str.contains(_PLAIN).all())


class Kinds:
    """Whether ids, which come in pieces, are of one kind up to some row, whole numbers or not, and of the other from there on.

    A single id of either kind is no kind.
    """

    def __init__(self) -> None:
        self.starts_whole: bool | None = None
        """Whether the first id is a whole number."""
        self._counts, self._n_changes, self._first_change, self._last = {True: 0, False: 0}, 0, 0, None

    def add(self, ids: pl.Series, rows: pl.Series) -> None:
        """The next ids, and the numbers of their rows."""
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
        """The number of the first row of the other kind; None where kinds mix, or never change."""
        return self._first_change if self._n_changes == 1 and min(self._counts.values()) > 1 else None
