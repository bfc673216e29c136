"""What is odd about ids, which stay the text that they are: pairs that a person would take for one, and a kind that changes half-way."""

import polars as pl

_WHOLE = r"^[+-]?\d+$"
_PLAIN = r"^(0|[1-9]\d*|[a-z_][a-z\d_.:/-]*)$"
"""Ids that are the only ones of their look: ASCII, lower case, no spaces, leading zeros or `.0`."""


def near_ids(ids: pl.Series) -> tuple[str, ...]:
    """A note where ids differ only by case, spaces, leading zeros, a trailing `.0` or their Unicode form; they are kept apart.

    `ids: String`, repeated or not.
    """
    if ids.str.contains(_PLAIN).all():
        return ()
    distinct, text = ids.unique().drop_nulls(), pl.col("id")
    if (distinct.str.len_bytes() != distinct.str.len_chars()).any():
        text = text.str.normalize("NFKC")
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
    one, other = groups["id"][0]
    more = f", as do {len(groups) - 1:,} more" if len(groups) > 1 else ""
    return (f"{ids.name}: `{one}` and `{other}` differ only by case, spaces, leading zeros or Unicode form{more}; they are kept apart",)


def change_of_kind(ids: pl.Series) -> int | None:
    """The first row from which on ids are of another kind, whole numbers or not, than all before; None where kinds mix, or never change.

    A single id of either kind is no kind.
    """
    is_whole = ids.str.contains(_WHOLE)
    if min(is_whole.sum(), (~is_whole).sum()) < 2:
        return None
    changes = (is_whole != is_whole.shift()).fill_null(False).arg_true()
    return int(changes[0]) if len(changes) == 1 else None
