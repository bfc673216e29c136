"""What a leaderboard leaves: `leaderboard.md` for a README, `leaderboard.json` for programs, one self-contained `leaderboard.html`."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from markupsafe import Markup

from mmrec.charts.figures import Estimate, forest_plot
from mmrec.evaluation.compare.leaderboard import Row, Section, describe_section
from mmrec.evaluation.compare.pareto import ParetoView, Standing, view_standings
from mmrec.evaluation.pages.render import render
from mmrec.evaluation.pages.terminal import section_cells, section_header, section_markdown
from mmrec.files.storage import write_json, write_text
from mmrec.metrics.direction import sign


def write_leaderboard(folder: Path, name: str, sections: Sequence[Section], unfinished: Sequence[str]) -> None:
    """Writes the three files; `unfinished` are the runs that the tables lack, and said to be so."""
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
    }
    write_text(folder / "leaderboard.html", render("leaderboard.html.j2", context))


def _markdown(sections: Sequence[Section], unfinished: Sequence[str]) -> str:
    parts = [f"### {s.data}, {s.split}\n\n{describe_section(s)}. {_caption(s)}\n\n{section_markdown(s)}" for s in sections]
    if unfinished:
        parts.append(f"Not finished, and not in the tables: {'; '.join(unfinished)}.\n")
    return "\n".join(parts)


def _caption(section: Section) -> str:
    n = len(section.seeds)
    seeds = f"{n} seeds ({', '.join(map(str, section.seeds))})" if n > 1 else f"one seed ({section.seeds[0]})"
    spread = ", ± the deviation between them" if n > 1 else ", so that intervals hold what varies between users alone"
    return f"Mean over {seeds}{spread}; {section.n_users:,} users; Δ: against {section.first.name}, user by user."


def _forest(section: Section) -> Markup:
    better = sign(section.metric, section.lower_is_better)
    tested = [Estimate(row.name, found.mean, found.low, found.high) for row in section.rows if (found := row.difference)]
    if not tested:
        return Markup("")
    estimates = sorted(tested, key=lambda one: -better * one.mean)
    label = f"Difference in {section.metric} to {section.first.name}, with 95% intervals"
    return forest_plot(label, estimates, f"{section.metric}, difference to {section.first.name}")


def _pareto(section: Section) -> ParetoView | None:
    if sign(section.metric, section.lower_is_better) < 0:
        return None  # the chart has what is better further up
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
