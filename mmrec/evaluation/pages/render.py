"""Pages from templates."""

from pathlib import Path
from typing import Any

from jinja2 import ChainableUndefined, Environment, FileSystemLoader

from mmrec.evaluation.format import format_duration, format_p, format_percent, format_signed, format_value


def render(template: str, context: dict[str, Any]) -> str:
    """A page from a template of the folder `templates` and all that it names."""
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
    return environment.get_template(template).render(context)
