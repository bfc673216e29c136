"""Render HTML pages from templates."""

from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import ChainableUndefined, Environment, FileSystemLoader

from mmrec.charts.embed import FIGURE, content_security_policy, scripts
from mmrec.charts.vega import vega_bundle, vega_version
from mmrec.errors import StorageError
from mmrec.evaluation.format import format_duration, format_p, format_percent, format_signed, format_value
from mmrec.files.locate import cache_folder
from mmrec.files.storage import write_text


def render(template: str, context: dict[str, Any]) -> str:
    """Render a page from a template of the folder `templates` with the values of its names; pages with charts include the scripts."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=ChainableUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "value": format_value,
        "percent": format_percent,
        "duration": format_duration,
        "count": "{:,}".format,
        "p_value": format_p,
        "share": lambda ratio: "–" if ratio is None else f"{ratio:.1%}",
        "signed": format_signed,
    }
    frame = {"content_security_policy": content_security_policy(vega()), "figure": FIGURE, "scripts": scripts(vega())}
    return environment.get_template(template).render(context | frame)


@cache
def vega() -> str:
    """Return the script that draws charts, which is cached in `mmrec.files.locate.cache_folder`, since creating it takes seconds."""
    path = cache_folder() / "charts" / f"vega-{vega_version()}.js"
    if path.is_file():
        return path.read_text(encoding="utf-8")
    text = vega_bundle()
    with suppress(OSError, StorageError):  # it is then created again the next time
        write_text(path, text)
    return text
