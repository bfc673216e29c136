"""mmrec.evaluation.pages.run_fairness: what metrics.json says of fairness and calibration, as tables and charts."""

from mmrec.evaluation.pages.run_fairness import UserGap, calibration_views, fairness_view
from tests.pages import Page, rows_of

ITEMS = {
    "exposure": {"cold": 0.1, "head": 0.9},
    "catalogue_ratio": {"cold": 0.2, "head": 1.8},
    "catalogue_disparity": 0.4,
    "merit_ratio": {"cold": None, "head": 0.9},
    "merit_disparity": 0.1,
}
GAPS = {"users.age": {"ndcg@20": 0.2, "worst": "18–25", "best": "26–40"}}
DUE = {"item_degree": {"catalogue": {"cold": 0.5, "head": 0.5}, "merit": {"cold": 0.0, "head": 1.0}}}
MODELS = {"fusion": {"users": GAPS, "items": {"item_degree": ITEMS}}, "ease": {"users": {}, "items": {"item_degree": ITEMS}}}


def test_gaps_shares_ratios_and_what_would_have_to_move() -> None:
    view = fairness_view({"models": {"fusion": {}, "ease": {}}, "fairness": {"due": DUE, "models": MODELS}})
    assert (view.metric, view.kinds) == ("ndcg@20", ["age"])
    assert view.gaps == {"fusion": [UserGap(0.2, "18–25", "26–40")], "ease": [None]}
    (items,) = view.items
    assert items.due == {"share of the catalogue": [0.5, 0.5], "share of training interactions": [0.0, 1.0]}
    assert items.exposure["fusion"] == [(0.1, None), (0.9, 0.9)] and items.disparities["ease"] == (0.4, 0.1)
    (spec,) = Page(items.chart).charts.values()
    colours = spec["layer"][0]["encoding"]["color"]["scale"]
    assert colours["domain"] == ["share of the catalogue", "share of training interactions", "fusion", "ease"]
    assert [one["expr"] for one in colours["range"]] == ["colour_due0", "colour_due1", "colour_c0", "colour_c1"]
    assert {(row["series"], row["group"]): row["value"] for row in rows_of(spec)}["fusion", "head"] == 0.9


def test_calibration_leaves_out_groups_that_nobody_had_or_is_shown() -> None:
    shares = {"profiles": {"cold": 0.0, "tail": 0.25, "head": 0.75}, "lists": {"fusion": {"cold": 0.0, "tail": 0.0, "head": 1.0}}}
    (view,) = calibration_views({"models": {"fusion": {}}, "calibration": {"item_degree": shares}})
    assert view.grid.groups == ["tail", "head"] and view.grid.values == [[0.0, 1.0]] and view.profiles == [0.25, 0.75]
    (spec,) = Page(view.chart).charts.values()
    shares = {row["group"]: (row["value"], row["due"]) for row in rows_of(spec) if row.get("series") == "fusion"}
    assert shares == {"tail": (0.0, 0.25), "head": (1.0, 0.75)}


def test_older_runs_have_neither() -> None:
    assert fairness_view({}) is None and calibration_views({}) == []


def test_calibration_without_a_group_that_anybody_had_or_is_shown_is_left_out() -> None:
    for shares in ({"cold": 0.0, "tail": 0.0}, {}):
        nothing = {"profiles": shares, "lists": {"fusion": shares}}
        assert calibration_views({"models": {"fusion": {}}, "calibration": {"item_degree": nothing}}) == []
