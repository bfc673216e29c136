"""Charts of counts: bar charts, and complementary cumulative counts on logarithmic axes."""

import math
from collections.abc import Mapping, Sequence

import altair as alt
from markupsafe import Markup

from mmrec.charts.embed import Chart, as_figure
from mmrec.charts.figures import MAX_DOTS, MAX_POINTS, Row, chart_of, layered, series_colour, shown_series, with_legend


def count_bars(label: str, bars: Sequence[tuple[str, int]], x_label: str, y_label: str) -> Markup:
    """Draw a bar chart of counts, with as many labels as fit on the axis. Returns empty markup if there are no bars."""
    if not bars:
        return Markup("")
    names = [name for name, _ in bars]
    axis = alt.Axis(labelAngle=0, labelOverlap="greedy", labelSeparation=10, labelLimit=140, ticks=False)
    x = alt.X("name:O", title=x_label, sort=None, axis=axis, scale=alt.Scale(domain=names, paddingInner=0.2))
    y = alt.Y("count:Q", title=None, axis=alt.Axis(format=",d", tickMinStep=1, tickCount=5))
    tooltip = [alt.Tooltip("name:N", title=x_label), alt.Tooltip("count:Q", title=y_label, format=",")]
    chart = chart_of([{"name": name, "count": count} for name, count in bars]).mark_bar(style="own").encode(x=x, y=y, tooltip=tooltip)
    return as_figure(layered([chart], y_label), label)


def at_least_chart(label: str, series: Mapping[str, Sequence[tuple[int, int]]], x_label: str, y_label: str) -> Markup:
    """Draw, for each series, a line through the points (x, number of elements with a value of at least x) on logarithmic axes.

    Returns empty markup if there are no points.
    """
    rows: list[Row] = [
        {"series": name, "at_least": at_least, "count": count} for name, line in series.items() for at_least, count in _downsample(line)
    ]
    if not rows:
        return Markup("")
    names, shown = list(series), shown_series(list(series))
    scale, axis = alt.Scale(type="log", nice=True, domainMin=1), alt.Axis(format="~s", values=[10**power for power in range(16)])
    base = (
        chart_of(rows)
        .transform_filter(shown)
        .encode(
            x=alt.X("at_least:Q", title=x_label, scale=scale, axis=axis),
            y=alt.Y("count:Q", title=None, scale=scale, axis=axis),
            color=series_colour(names),
        )
    )
    tooltip = [alt.Tooltip("series:N"), alt.Tooltip("at_least:Q", title="or more", format=","), alt.Tooltip("count:Q", format=",")]
    size = 28 if max(map(len, series.values())) <= MAX_DOTS else 0
    layers: list[Chart] = [base.mark_line(), base.mark_circle(size=size, opacity=1).encode(tooltip=tooltip)]
    return as_figure(with_legend(layered(layers, y_label), shown), label)


def _downsample(line: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Keep at most `MAX_POINTS` of ascending points, evenly spaced in the logarithm of x, including the first and last."""
    if len(line) <= MAX_POINTS:
        return list(line)
    width = math.log(line[-1][0] / line[0][0]) / (MAX_POINTS - 1)
    kept = {round(math.log(point[0] / line[0][0]) / width): point for point in reversed(line)}
    return [*sorted(kept.values())[:-1], line[-1]]
