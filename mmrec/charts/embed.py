"""Charts in a self-contained page: each as a figure that holds its Vega-Lite specification and data, and the scripts that draw them all.

A page has `content_security_policy` in its head and `scripts` at the end of its body. Nothing is fetched, and nothing but these scripts
runs: the policy names them by their hashes. Expressions in a specification are interpreted, so that the policy can go without `eval`.

A specification names its colours by style (`whisker`, `due`, `front`, …) or leaves them to the series; `draw.js` fills them in from the
page's style sheet (`--c0` … `--c7`, `--ink`, `--muted`, `--rule`, `--page`, `--on-fill`), light or dark as the reader's system is set.
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
Finished = Chart | alt.FacetChart  # as Altair declares what comes of a chart with parameters
FIGURE = 'class="chart"'
_WITHOUT_SCRIPT = "This chart is drawn by JavaScript, which is switched off here."


def as_figure(chart: Finished, label: str) -> Markup:
    """Return a chart as an element of a page.

    Args:
        chart: A chart whose data is in it. It is checked against the schema of Vega-Lite.
        label: What screen readers call it; also the name of the file when the reader saves it as a picture.
    """
    spec: dict[str, Any] = chart.properties(description=label).to_dict()
    for name in ("$schema", "config"):  # an address, which nothing needs, and Altair's own style
        spec.pop(name, None)
    data = htmlsafe_json_dumps(spec, allow_nan=False, separators=(",", ":"))
    return Markup(
        '<figure class="chart" aria-label="{}"><script type="application/json">{}</script><div class="drawing"></div>'
        '<noscript><p class="muted">{}</p></noscript></figure>'
    ).format(label, data, _WITHOUT_SCRIPT)


def scripts(vega: str) -> Markup:
    """The script elements that draw every figure of a page: Vega, see `mmrec.charts.vega.vega_bundle`, once, then what calls it."""
    return Markup("\n").join(Markup("<script>{}</script>").format(Markup(code)) for code in (vega, _draw()))


def content_security_policy(vega: str) -> str:
    """A policy under which a page loads nothing, shows pictures that are in it, and runs `scripts` and no other."""
    hashes = " ".join(f"'sha256-{b64encode(sha256(code.encode()).digest()).decode()}'" for code in (vega, _draw()))
    return f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {hashes}; base-uri 'none'; form-action 'none'"


@cache
def _draw() -> str:
    return (Path(__file__).parent / "draw.js").read_text(encoding="utf-8")
