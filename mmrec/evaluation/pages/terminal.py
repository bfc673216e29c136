"""Tables of runs, comparisons and leaderboards for the terminal and for Markdown."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import polars as pl
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from mmrec.evaluation.compare.against_baselines import Cell, compare
from mmrec.evaluation.compare.leaderboard import Row, Section
from mmrec.evaluation.compare.runs import MeasuredRun, RunComparison, RunDifference
from mmrec.evaluation.compare.significance import align_users, paired_test
from mmrec.evaluation.format import format_duration, format_percent, format_value
from mmrec.metrics.direction import sign

DIFFERENCE_LABEL = "vs. best baseline"


class SweepRun(NamedTuple):
    """One run of a sweep."""

    label: str
    """The overrides in which it differs from the other runs."""
    model: str
    """The name of its trained model."""
    metrics: dict[str, Any]
    """The content of its metrics.json."""
    per_user: pl.DataFrame
    split_hash: str


def console_table(
    metrics: dict[str, Any], columns: Sequence[str], difference_label: str = DIFFERENCE_LABEL, title: str | None = None
) -> Table:
    """Return a table of models by metrics, with the trained model first and its relative difference to the best baseline last.

    The best value of each column is bold; the trained model has the standard deviation over seeds.

    Args:
        metrics: the content of `metrics.json`.
        columns: names of metrics: `recall@20` on the test part, or `val/recall@20`.
        difference_label: the label of the last row.
        title: of the table.
    """
    comparison = compare(metrics, columns)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, title=title, title_justify="left")
    table.add_column("model", overflow="fold", min_width=12)
    for column in comparison.columns:
        table.add_column(column, justify="right", no_wrap=True)
    for model, cells in comparison.rows.items():
        table.add_row(Text(model), *(Text(_cell(cell), "bold" if cell.is_best else "") for cell in cells))
    table.add_section()
    if comparison.baselines:
        styled = (_styled_difference(d.relative, d.sign) if d else _styled_difference(None) for d in comparison.differences)
        table.add_row(Text(difference_label, "dim"), *styled)
    return table


def sweep_table(runs: Sequence[SweepRun], columns: Sequence[str], tested: str, failed: Sequence[str] = ()) -> Table:
    """Return a table with one row per run of a sweep, with the best value of each column in bold.

    The last column is the paired difference in `tested`, such as `ndcg@20`, to the first run: the mean over common users with its 95%
    interval, in bold if it excludes zero, and empty for runs with another split. `failed` are the labels of runs without results.
    """
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("run", overflow="fold", min_width=12)
    for column in (*columns, f"{tested} Δ"):
        table.add_column(column, justify="right", no_wrap=True)
    compared = [compare(run.metrics, columns) for run in runs]
    ours = [comparison.rows[comparison.ours] for comparison in compared]
    signs = [sign(column, runs[0].metrics.get("lower_is_better", ())) for column in columns]
    known = [[value for row in ours if (value := row[c].value) is not None] for c in range(len(columns))]
    best = [better * max(better * value for value in some) if some else None for some, better in zip(known, signs, strict=True)]
    for run, row in zip(runs, ours, strict=True):
        values = (Text(_cell(cell), "bold" if cell.value == top else "") for cell, top in zip(row, best, strict=True))
        table.add_row(Text(run.label), *values, _against(runs[0], run, tested))
    for label in failed:
        table.add_row(Text(label), "failed")
    return table


def comparison_tables(comparison: RunComparison) -> tuple[Table, Table]:
    """Return a table of runs by metrics with relative differences to the first run, and a table of the tests in the comparison's metric."""
    values, tests = Table(box=SIMPLE_HEAD, pad_edge=False), Table(box=SIMPLE_HEAD, pad_edge=False)
    values.add_column("run", overflow="fold", min_width=12)
    tests.add_column(f"{comparison.metric}, against the first", overflow="fold", min_width=12)
    shown = [name for name in comparison.columns if name.startswith(("recall@", "ndcg@"))] or list(comparison.columns)
    for name in shown:
        values.add_column(name, justify="right", no_wrap=True)
    for name in ("Δ", "95% interval", "p (Holm)", "d_z", "higher"):
        tests.add_column(name, justify="right", no_wrap=True)
    for run in comparison.runs:
        values.add_row(Text(run.label), *(_beside(run, comparison.first, f"test/{name}") for name in shown))
    for difference in comparison.differences:
        tests.add_row(Text(difference.run.label, "bold" if difference.is_found else ""), *difference_cells(difference))
    return values, tests


def section_header(section: Section) -> tuple[str, ...]:
    """Return the column names of a leaderboard."""
    return ("model", *section.columns, f"Δ {section.metric}", "p (Holm)", "coverage", "fit")


def section_cells(section: Section, row: Row, separator: str = " ") -> list[tuple[str, bool]]:
    """Return the cells of a leaderboard row after the name, as pairs of text and whether it is bold.

    The cells are metrics, with the best of a column in bold; the difference to the first model, in bold if it is significant; its p-value;
    coverage; and the time of one fit. `separator` is between a value and its spread.
    """
    test, values = row.difference, [row.values[name] for name in section.columns]
    cells = [
        (_value(v.mean, v.std, f"{separator}± "), v.mean == section.best(name)) for name, v in zip(section.columns, values, strict=True)
    ]
    difference = "" if test is None else f"{test.mean:+.4f}{separator}[{test.low:+.4f}, {test.high:+.4f}]".replace("-", "−")
    cells += [(difference, row.is_found), ("" if row.p_holm is None else f"{row.p_holm:.4f}", False)]
    coverage, fit = "–" if row.coverage is None else f"{row.coverage:.2f}", "–" if row.fit_s is None else format_duration(row.fit_s)
    return [*cells, (coverage, False), (fit, False)]


def section_table(section: Section) -> Table:
    """Return a leaderboard section as a table for 80 columns, best model first, without the intervals of differences."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), title=f"{section.data}, {section.split}", title_justify="left")
    for name in ("model", *section.columns, "Δ", "fit"):
        table.add_column(name, justify="left" if name == "model" else "right", no_wrap=True)
    for row in section.ranked:
        *values, (difference, is_found), _p_value, _coverage, fit = section_cells(section, row, "\n")
        cells = (*values, (difference.partition("\n")[0], is_found), fit)
        table.add_row(Text(row.name), *(Text(text, "bold" if is_bold else "") for text, is_bold in cells))
    return table


def section_markdown(section: Section) -> str:
    """Return a leaderboard section as a Markdown table, ending with a newline."""
    names = section_header(section)
    lines = [names, ("---", *("---:" for _ in names[1:]))]
    for row in section.ranked:
        lines.append((row.name, *(f"**{text}**" if is_bold and text else text for text, is_bold in section_cells(section, row))))
    return _markdown(lines)


def difference_cells(difference: RunDifference) -> tuple[str, ...]:
    """Return the cells of a difference to the first run: mean, interval, corrected p-value, effect size, share of users that are higher."""
    test = difference.test
    d_z = "–" if test.d_z is None else f"{test.d_z:+.2f}"
    return (f"{test.mean:+.4f}", f"{test.low:+.4f} … {test.high:+.4f}", f"{difference.p_holm:.4f}", d_z, f"{test.superiority:.0%}")


def _against(first: SweepRun, run: SweepRun, metric: str) -> Text:
    if run is first or run.split_hash != first.split_hash:
        return Text("")
    of_run, of_first = (each.per_user.filter(pl.col("model") == each.model) for each in (run, first))
    values = align_users(of_run, of_first, metric)
    if values[0].shape[1] < 2:
        return Text("")
    found = paired_test(*values, seed=0)
    return Text(f"{found.mean:+.4f}\n[{found.low:+.4f}, {found.high:+.4f}]", "" if found.includes_zero else "bold")


def _beside(run: MeasuredRun, first: MeasuredRun, key: str) -> Text:
    value, base = run.metrics[key], first.metrics[key]
    shown = Text(format_value(value))
    if run is first or not base:
        return shown
    return Text.assemble(shown, "\n", _styled_difference((value - base) / base, sign(key, first.lower_is_better)))


def _markdown(lines: Sequence[Sequence[str]]) -> str:
    return "".join("| " + " | ".join(text.replace("|", "\\|") for text in line) + " |\n" for line in lines)


def _cell(cell: Cell) -> str:
    return _value(cell.value, cell.std, "\n± ")


def _value(value: float | None, std: float | None, plus_minus: str) -> str:
    return format_value(value) + (f"{plus_minus}{std:.4f}" if std is not None else "")


def _styled_difference(relative: float | None, sign: int = 1) -> Text:
    text = format_percent(relative)
    return Text(text, {"+": "green" if sign > 0 else "red", "−": "red" if sign > 0 else "green"}.get(text[0], "dim"))
