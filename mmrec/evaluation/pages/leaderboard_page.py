"""Write a leaderboard as Markdown, as JSON and as a self-contained HTML page."""

import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from markupsafe import Markup

from mmrec.charts.figures import Estimate, Line, forest_plot, line_chart
from mmrec.evaluation.compare.leaderboard import Row, Section, describe_section
from mmrec.evaluation.compare.pareto import ParetoView, Standing, view_standings
from mmrec.evaluation.pages.render import render
from mmrec.evaluation.pages.terminal import section_cells, section_header, section_markdown
from mmrec.files.storage import write_json, write_text
from mmrec.metrics.direction import sign

_NUMBERED = re.compile(r"(\w+?)_(\d+(?:\.\d+)?)")
"""Names of datasets that are points of a curve."""


def write_leaderboard(folder: Path, name: str, sections: Sequence[Section], unfinished: Sequence[str]) -> None:
    """Write `leaderboard.md`, `leaderboard.json` and `leaderboard.html` to a folder.

    Args:
        folder: the folder of the board.
        name: the name of the board.
        sections: the tables, one per dataset and split.
        unfinished: the runs that are not in the tables, which are listed.
    """
    write_text(folder / "leaderboard.md", _markdown(sections, unfinished))
    plain = {"name": name, "sections": [_plain(section) for section in sections], "unfinished": list(unfinished)}
    write_json(folder / "leaderboard.json", plain)
    context = {
        "title": f"Leaderboard {name}",
        "sections": [
            {
                "section": section,
                "sentence": describe_section(section),
                "caption": _caption(section),
                "header": section_header(section),
                "rows": [(row, section_cells(section, row)) for row in section.ranked],
                "forest": _forest(section),
                "pareto": _pareto(section),
            }
            for section in sections
        ],
        "unfinished": unfinished,
        "curves": _curves(sections),
    }
    write_text(folder / "leaderboard.html", render("leaderboard.html.j2", context))


def _markdown(sections: Sequence[Section], unfinished: Sequence[str]) -> str:
    parts = [f"### {s.data}, {s.split}\n\n{describe_section(s)}. {_caption(s)}\n\n{section_markdown(s)}" for s in sections]
    if unfinished:
        parts.append(f"Unfinished runs, not in the tables: {'; '.join(unfinished)}.\n")
    return "\n".join(parts)


def _caption(section: Section) -> str:
    n = len(section.seeds)
    seeds = f"{n} seeds ({', '.join(map(str, section.seeds))})" if n > 1 else f"one seed ({section.seeds[0]})"
    spread = ", ± standard deviation over seeds" if n > 1 else ", so that intervals only include the variance between users"
    return f"Mean over {seeds}{spread}; {section.n_users:,} users; Δ: paired difference to {section.first.name}."


def _forest(section: Section) -> Markup:
    better = sign(section.metric, section.lower_is_better)
    tested = [Estimate(row.name, found.mean, found.low, found.high) for row in section.rows if (found := row.difference)]
    if not tested:
        return Markup("")
    estimates = sorted(tested, key=lambda one: -better * one.mean)
    label = f"Difference in {section.metric} to {section.first.name}, with 95% intervals"
    return forest_plot(label, estimates, f"{section.metric}, difference to {section.first.name}")


def _curves(sections: Sequence[Section]) -> list[tuple[str, Markup]]:
    """For each split, the tested metric over the numbers at the end of the names of datasets, such as `percent_1` and `percent_5`.

    Splits with fewer than two such datasets have no curve.
    """
    curves = []
    for split in dict.fromkeys(section.split for section in sections):
        named = [(match, one) for one in sections if one.split == split and (match := _NUMBERED.fullmatch(one.data))]
        if len({match[1] for match, _ in named}) != 1 or len(named) < 2:
            continue
        points: dict[str, list[tuple[float, float]]] = {}
        for match, section in sorted(named, key=lambda pair: float(pair[0][2])):
            for row in section.rows:
                points.setdefault(row.name, []).append((float(match[2]), row.values[section.metric].mean))
        metric, what = named[0][1].metric, named[0][0][1]
        lines = [Line(name, of_model) for name, of_model in points.items()]
        curves.append((split, line_chart(f"{metric} by {what}, {split}", lines, what, metric)))
    return curves


def _pareto(section: Section) -> ParetoView | None:
    if sign(section.metric, section.lower_is_better) < 0:
        return None  # the chart assumes that higher is better
    standings = [
        Standing(row.name, row.values[section.metric].mean, row.fit_s, row.coverage)
        for row in section.rows
        if row.fit_s is not None and row.coverage is not None
    ]
    return view_standings(standings, section.metric, section.first.name)


def _plain(section: Section) -> dict[str, Any]:
    return {
        "data": section.data,
        "split": section.split,
        "seeds": list(section.seeds),
        "n_users": section.n_users,
        "metric": section.metric,
        "models": {row.name: _plain_row(row) for row in section.rows},
    }


def _plain_row(row: Row) -> dict[str, Any]:
    return {
        "is_baseline": row.model.is_baseline,
        "metrics": {name: asdict(value) for name, value in row.values.items()},
        "difference": asdict(row.difference) | {"p_holm": row.p_holm} if row.difference else None,
        "coverage": row.coverage,
        "fit_s": row.fit_s,
        "tuned": {str(seed): chosen for seed, chosen in row.model.tuned.items() if chosen},
    }
