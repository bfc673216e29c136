"""Figures and scripts of a page: the policy allows these scripts alone, and the bundle is made once."""

import re
from pathlib import Path

import altair as alt
import pytest

from mmrec.charts.embed import as_figure, content_security_policy, scripts
from mmrec.charts.vega import vega_bundle
from mmrec.evaluation.pages.render import vega
from tests.charts.drawing import spec_of
from tests.pages import MAX_BYTES, Page, check_self_contained

ROOT = Path(__file__).resolve().parents[2]


def chart(name: str) -> alt.LayerChart:
    return alt.layer(alt.Chart(alt.InlineData(values=[{"x": 1, "name": name}]), name="a").mark_bar().encode(x="x:Q", y="name:N"))


def page(body: str) -> str:
    head = '<link rel="icon" href="data:,"><style>@media (prefers-color-scheme: dark) {}</style>'
    return f'{head}<meta http-equiv="Content-Security-Policy" content="{content_security_policy(vega())}">{body}{scripts(vega())}'


@pytest.mark.parametrize("evil", ["</script><script>alert(1)</script>", "<!--<script>", "</figure>", "&lt;/script&gt;", "\u2028]]>\ud800"])
def test_no_text_breaks_out(evil: str) -> None:
    html = page(as_figure(chart(evil), evil.replace("\ud800", "")))
    check_self_contained(html)
    found = Page(html)
    assert len(found.data) == 1 and len(found.code) == 2 and len(found.all("figure")) == 1
    assert [row["name"] for rows in spec_of(as_figure(chart(evil), "x"))["datasets"].values() for row in rows] == [evil]


def test_the_same_chart_is_the_same_text() -> None:
    assert as_figure(chart("a"), "label") == as_figure(chart("a"), "label")


def test_numbers_that_json_lacks_are_refused() -> None:
    bad = alt.Chart(alt.InlineData(values=[{"x": float("nan")}])).mark_bar().encode(x="x:Q")
    with pytest.raises(ValueError, match="Out of range float"):
        as_figure(bad, "x")


def test_without_scripts_a_figure_says_so() -> None:
    assert "JavaScript" in Page(as_figure(chart("a"), "x")).text


def test_a_page_that_fetches_is_found_out() -> None:
    for planted in ('<img src="https://example.org/x.png">', "<script>alert(1)</script>", '<p onclick="x()">a</p>'):
        with pytest.raises(AssertionError):
            check_self_contained(page(as_figure(chart("a"), "x")) + planted)


def test_scripts_interpret_expressions_and_offer_pictures_only() -> None:
    _, draw = Page(str(scripts(vega()))).code
    assert "ast: true" in draw and "source: false, compiled: false, editor: false" in draw and "export: {png: true, svg: true}" in draw
    assert "prefers-color-scheme: dark" in draw and not re.search(r"https?://|fetch\(|import\(", draw)
    assert len(scripts(vega())) < MAX_BYTES / 3


def test_colours_that_the_page_sets_are_in_its_style() -> None:
    style = (ROOT / "mmrec/evaluation/pages/templates/style.css.j2").read_text(encoding="utf-8")
    _, draw = Page(str(scripts(vega()))).code
    named = set(re.findall(r'"(--[a-z-]+)"', draw)) | {f"--c{i}" for i in range(8)} | {"--due0", "--due1"}
    named.discard("--c")
    for mode in style.split("@media (prefers-color-scheme: dark)")[0], style.split("@media (prefers-color-scheme: dark)")[1]:
        assert {name for name in named if f"{name}:" not in mode} - {"--"} == set()


def test_the_bundle_is_kept_for_the_next_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    monkeypatch.setenv("MMREC_CACHE", str(tmp_path))
    monkeypatch.setattr("mmrec.evaluation.pages.render.vega_bundle", lambda: made.append(1) or "draw();")
    assert [vega.__wrapped__(), vega.__wrapped__()] == ["draw();"] * 2 and made == [1]
    monkeypatch.setattr("mmrec.evaluation.pages.render.vega_version", lambda: "of-another-version")
    assert vega.__wrapped__() == "draw();" and made == [1, 1]
    monkeypatch.setenv("MMREC_CACHE", "/dev/null/nowhere")
    assert vega.__wrapped__() == "draw();" and made == [1, 1, 1]


def test_the_bundle_is_for_the_specifications_that_altair_writes() -> None:
    assert f"Vega-Lite {alt.SCHEMA_VERSION.removeprefix('v')} " in vega_bundle()[:200]
