"""Charts as tests read them: the specification in a figure, and what Vega draws of it."""

from typing import Any
from xml.etree.ElementTree import Element, fromstring

import altair as alt
import vl_convert

from tests.pages import Page, rows_of

TEXT = "{http://www.w3.org/2000/svg}text"


def spec_of(figure: str) -> dict[str, Any]:
    """The only chart of a figure, which the schema of Vega-Lite allows."""
    (spec,) = Page(figure).charts.values()
    alt.LayerChart.validate(spec)
    return spec


def rows(figure: str, having: str) -> list[dict[str, Any]]:
    """The rows of data that have a field."""
    return [row for row in rows_of(spec_of(figure)) if having in row]


def draw(figure: str, width: int = 400) -> Element:
    """The chart as Vega draws it."""
    return fromstring(vl_convert.vegalite_to_svg(spec_of(figure) | {"width": width}, allowed_base_urls=[]))


def marks(figure: str, kind: str) -> list[str]:
    """What screen readers are told of each mark of a kind (`bar`, `circle`, …), in the order of drawing."""
    return [one.get("aria-label", "") for one in draw(figure).iter() if one.get("aria-roledescription") == kind]


def rules(figure: str) -> int:
    """How many lines stand for data; those of axes and grids left out."""
    return sum(len(one) for one in draw(figure).iter() if "mark-rule role-mark" in one.get("class", ""))


def texts(figure: str) -> list[str]:
    """Every line of text that is drawn; Vega leaves in what has no room, without opacity."""
    shown = [one for one in draw(figure).iter(TEXT) if one.get("opacity") != "0"]
    return ["".join(line.itertext()) for one in shown for line in (list(one) or [one])]
