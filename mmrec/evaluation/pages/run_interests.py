"""The part of a run's report about interests that decay: the half-lives, and the interests of some users over time."""

from typing import Any, NamedTuple

import polars as pl
from markupsafe import Markup

from mmrec.charts.figures import Line, line_chart
from mmrec.types import USER_ID

_MOST_SESSIONS = 8


class HalfLifeRow(NamedTuple):
    """A row of the table of half-lives."""

    seed: str
    group: str
    half_life: str
    interval: str
    p_value: str
    n_choices: int


def half_lives(by_seed: dict[str, dict[str, dict[str, Any]]]) -> list[HalfLifeRow]:
    """Rows of the table of half-lives from the choices in run.json; empty for a run without decay."""
    rows = []
    for seed, parts in by_seed.items():
        for group, one in (parts.get("time", {}).get("half_lives") or {}).items():
            days = one["half_life_days"]
            shown = "no decay found" if days is None else f"{days:.4g} ± {one['standard_error']:.2g} days"
            rows.append(
                HalfLifeRow(seed, group, shown, f"{one['low']:.4g} to {one['high']:.4g}", f"{one['p_value']:.2g}", one["n_choices"])
            )
    return rows


def interest_charts(table: pl.DataFrame | None) -> list[Markup]:
    """A line chart for each user: the share of every session in their interests over time, in days since their first one."""
    if table is None or table.is_empty():
        return []
    charts = []
    for (user,), rows in table.group_by(USER_ID, maintain_order=True):
        session = (pl.col("at") - pl.duration(microseconds=(pl.col("age_days") * 86_400e6).round().cast(pl.Int64))).dt.date()
        shares = rows.group_by("at", session.alias("session"), maintain_order=True).agg(pl.col("weight").sum())
        first = shares["session"].min()
        latest = shares["session"].unique().sort().tail(_MOST_SESSIONS)
        day = (pl.col("at").dt.date() - pl.lit(first)).dt.total_days().alias("day")
        lines = [
            Line(
                f"session of {one}",
                list(shares.filter(pl.col("session") == one).sort("at").select(day.cast(pl.Float64), "weight").iter_rows()),
            )
            for one in latest
        ]
        charts.append(line_chart(f"Interests of user {user} over time", lines, "days since " + str(first), "share of the interests"))
    return charts
