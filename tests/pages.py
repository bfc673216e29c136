"""Pages as tests read them: tags, text, charts as specifications, and that a page fetches nothing and runs its own scripts alone."""

import json
import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from typing import Any

import altair as alt

from mmrec.charts.embed import content_security_policy, scripts
from mmrec.evaluation.pages.render import vega

VOID = {"meta", "link", "img", "br"}
MAX_BYTES = 3_000_000


class Page(HTMLParser):
    """Tags with attributes, text without scripts and styles, charts, and whether every element was closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.styles = ""
        self.code: list[str] = []
        self.data: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "script":
            (self.data if ("type", "application/json") in attrs else self.code).append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] == ["script"]:
            last = dict(self.tags[-1][1])
            (self.data if last.get("type") == "application/json" else self.code)[-1] += data
        elif self.open[-1:] == ["style"]:
            self.styles += data
        else:
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def charts(self) -> dict[str | None, dict[str, Any]]:
        """Specifications by label."""
        labels = [figure["aria-label"] for figure in self.all("figure") if figure.get("class") == "chart"]
        return dict(zip(labels, map(json.loads, self.data), strict=True))


def rows_of(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """All rows of data in a specification."""
    return [row for rows in spec["datasets"].values() for row in rows]


def check_self_contained(html: str) -> None:
    """Fails where a page could fetch something, run anything but the scripts of charts, or holds a chart that Vega-Lite would not take."""
    page = Page(html)
    assert page.open == [] and len(html.encode()) < MAX_BYTES
    own = Page(str(scripts(vega()))).code
    assert page.code == (own if page.data else [])
    (policy,) = [meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    assert policy == content_security_policy(vega()) and policy.startswith("default-src 'none'; ") and "unsafe-eval" not in policy
    assert all(f"'sha256-{b64encode(sha256(code.encode()).digest()).decode()}'" in policy for code in page.code)
    addresses = [value for _, found in page.tags for name, value in found.items() if name in {"src", "href", "srcset", "action"}]
    assert addresses and all(value.startswith("data:") for value in addresses)
    own = html.replace(str(scripts(vega())), "")
    assert not re.search(r"<iframe\b|(src|href)=[\"'](?!data:)|srcset|@import|url\((?!.?data:)|https?://", own)
    assert not any(name.startswith("on") for _, found in page.tags for name in found)
    assert not re.search(r"url\(|@import|https?://", page.styles + "".join(page.data))
    assert "prefers-color-scheme: dark" in page.styles
    for label, spec in page.charts.items():
        assert label and spec["description"] == label
        assert '"url"' not in json.dumps(spec) and all(spec["datasets"].values())
        alt.LayerChart.validate(spec)  # raises where the schema is not kept
