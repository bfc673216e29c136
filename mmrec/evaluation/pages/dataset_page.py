"""Write a self-contained HTML page about a dataset, with statistics, plots, and examples with pictures."""

from pathlib import Path

import polars as pl

from mmrec.charts.counts import at_least_chart, count_bars
from mmrec.charts.figures import Grid, stacked_bars
from mmrec.data.discover.describe import Description, Spread
from mmrec.data.pictures.read import read_pictures
from mmrec.evaluation.pages.examples import inline_picture
from mmrec.evaluation.pages.render import render
from mmrec.files.storage import write_text
from mmrec.types import Dataset

PICTURE_SIZE = 96


def write_description(target: Path, description: Description, dataset: Dataset) -> None:
    """Write the page of a dataset to `target`, with the readable pictures of the examples from `dataset`."""
    events = f"interactions per {description.period}"
    degrees = {"users": description.per_user.at_least, "items": description.per_item.at_least}
    charts = [
        count_bars(f"Interactions over time, per {description.period}", description.over_time, description.period, events),
        at_least_chart("Users and items with at least x interactions", degrees, "interactions", "number with at least as many"),
        count_bars("Ratings", description.ratings, "rating", "interactions"),
        _coverage(description),
    ]
    context = {
        "title": description.name,
        "d": description,
        "facts": facts(description),
        "spreads": [("user", spread_cells(description.per_user)), ("item", spread_cells(description.per_item))],
        "charts": [chart for chart in charts if chart],
        "pictures": _pictures(description, dataset),
    }
    write_text(target, render("description.html.j2", context))


def facts(description: Description) -> dict[str, str]:
    """Return the main statistics of a dataset as text by name, for the page and the terminal."""
    repeats = description.n_interactions - description.n_pairs
    found = {
        "interactions": f"{description.n_interactions:,}",
        "users": f"{description.n_users:,}",
        "items": f"{description.n_items:,}",
        "items without interactions": f"{description.n_items - description.n_items_seen:,}",
        "density": f"{description.density:.3%}",
        "repeated user-item pairs": f"{repeats:,}",
        "exact duplicate rows": f"{description.n_same_rows:,}",
    }
    return found | ({"time span (UTC)": " to ".join(description.span)} if description.span else {})


def spread_cells(spread: Spread) -> list[str]:
    """Return quantiles, mean and Gini index as text."""
    gini = "–" if spread.gini is None else f"{spread.gini:.2f}"
    return [*(f"{value:,.4g}" for value in spread.quantiles.values()), f"{spread.mean:,.1f}", gini]


def _coverage(description: Description) -> str:
    if not description.coverage:
        return ""
    names, sizes = zip(*((one.modality, one.n_items) for one in description.coverage), strict=True)
    grid = Grid(list(names), ["items with this evidence"], [[size / description.n_items for size in sizes]], list(sizes))
    return stacked_bars("Share of items with each kind of evidence", grid, "share of items")


def _pictures(description: Description, dataset: Dataset) -> dict[str, str]:
    """A thumbnail of each example as a data URI."""
    ids = pl.Series([example.item_id for example in description.examples], dtype=pl.String)
    raw, _ = read_pictures(dataset, ids)
    found = {}
    for position, item_id in enumerate(ids):
        picture = raw[position]
        found[item_id] = inline_picture(picture, PICTURE_SIZE) if picture is not None else ""
    return found
