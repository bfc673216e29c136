"""Embed charts in a self-contained page: figures with their Vega-Lite specifications and data, and the scripts that draw them.

A page has `content_security_policy` in its head and `scripts` at the end of its body. Nothing is loaded from the network, and the policy
only allows these scripts, by their hashes. Expressions in a specification are interpreted, so that the policy need not allow `eval`.

A specification refers to colours by style (`whisker`, `due`, `front`, …) or series. `draw.js` takes them from the style sheet of the page
(`--c0` … `--c7`, `--ink`, `--muted`, `--rule`, `--page`, `--on-fill`), in the light or dark scheme of the reader's system.
"""

from base64 import b64encode
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import altair as alt
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

Chart = alt.Chart | alt.LayerChart
Finished = Chart | alt.FacetChart  # the return type of methods that add parameters, as declared by Altair
FIGURE = 'class="chart"'
_WITHOUT_SCRIPT = "This chart requires JavaScript, which is disabled."


def as_figure(chart: Finished, label: str) -> Markup:
    """Return a chart as an HTML figure.

    Args:
        chart: a chart with inline data. It is not validated against the schema of Vega-Lite, which takes longer than all else.
        label: the label for screen readers, and the file name of the chart when saved as an image.
    """
    spec: dict[str, Any] = chart.properties(description=label).to_dict(validate=False)
    for name in ("$schema", "config"):  # the URL of the schema, which is not needed, and the default style of Altair
        spec.pop(name, None)
    data = htmlsafe_json_dumps(spec, allow_nan=False, separators=(",", ":"))
    return Markup(
        '<figure class="chart" aria-label="{}"><script type="application/json">{}</script><div class="drawing"></div>'
        '<noscript><p class="muted">{}</p></noscript></figure>'
    ).format(label, data, _WITHOUT_SCRIPT)


def scripts(vega: str) -> Markup:
    """Return the script elements that draw the figures of a page: the bundle `vega` (see `mmrec.charts.vega`), and the code calling it."""
    return Markup("\n").join(Markup("<script>{}</script>").format(Markup(code)) for code in (vega, _draw()))


def content_security_policy(vega: str) -> str:
    """Return a content security policy that forbids loading anything, and allows inline images and only the scripts of `scripts`."""
    hashes = " ".join(f"'sha256-{b64encode(sha256(code.encode()).digest()).decode()}'" for code in (vega, _draw()))
    return f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {hashes}; base-uri 'none'; form-action 'none'"


@cache
def _draw() -> str:
    return (Path(__file__).parent / "draw.js").read_text(encoding="utf-8")
