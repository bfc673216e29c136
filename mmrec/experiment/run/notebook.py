"""Display a run in a notebook: its metrics as a table, and its report in a sandboxed frame."""

from html import escape
from pathlib import Path

import polars as pl

from mmrec.errors import printable

_MAX_REPORT_BYTES = 32 * 2**20


def run_html(folder: Path, model: str, metrics: pl.DataFrame) -> str:
    """Return HTML with the test metrics of all models, the trained model first, and the report of the run folder.

    All names are escaped, since they come from external files. The report may run the scripts of its charts in a separate origin, without
    access to the surrounding page or its cookies.
    """
    test = metrics.filter(pl.col("metric").str.starts_with("test/"))
    wide = test.with_columns(pl.col("metric").str.strip_prefix("test/")).pivot(on="metric", index="model", values="mean")
    head = "".join(f"<th>{_text(name)}</th>" for name in wide.columns)
    rows = "".join(f"<tr>{''.join(f'<td>{_cell(value, model)}</td>' for value in row)}</tr>" for row in wide.iter_rows())
    table = f"<div style='overflow-x:auto'><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    return f"<p>{_text(str(folder))}</p>{table}{_report(folder / 'report.html')}"


def _report(path: Path) -> str:
    if not path.is_file():
        return ""
    if path.stat().st_size > _MAX_REPORT_BYTES:
        return f"<p>report: {_text(str(path))}</p>"
    page = escape(path.read_text(encoding="utf-8", errors="replace"))
    style = "width:100%;height:600px;border:1px solid #8888"
    return f'<iframe sandbox="allow-scripts allow-downloads" style="{style}" title="report" srcdoc="{page}"></iframe>'


def _cell(value: object, model: str) -> str:
    if isinstance(value, str):
        return f"<b>{_text(value)}</b>" if value == model else _text(value)
    return "" if value is None else f"{value:.4f}"


def _text(value: str) -> str:
    return escape(printable(value))
