"""Fails the build where a page would load something from another host."""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError

_LOADED = re.compile(
    r"<(?:script|img|iframe|source|video|audio|embed|object)\b[^>]*?\s(?:src|srcset|data)=[\"'](?:https?:)?//[^\"']+"
    r"|<link\b(?=[^>]*\brel=[\"']?(?:stylesheet|preconnect|preload|icon|manifest|dns-prefetch))[^>]*?\shref=[\"']?(?:https?:)?//[^\s\"'>]+"
    r"|(?:@import\s+|url\()[\"']?(?:https?:)?//[^\"')]+",
    re.IGNORECASE,
)


def on_post_build(config: MkDocsConfig) -> None:
    """Read every page and style sheet of the site."""
    site = Path(config.site_dir)
    files = sorted([*site.rglob("*.html"), *site.rglob("*.css")])
    found = [f"{file.relative_to(site)}: {part}" for file in files for part in loaded_from_elsewhere(file.read_text(encoding="utf-8"))]
    if found:
        raise PluginError("pages load from other hosts:\n  " + "\n  ".join(found[:20]))


def loaded_from_elsewhere(text: str) -> list[str]:
    """Return what a page or a style sheet loads from other hosts: scripts, pictures, frames, fonts, style sheets."""
    return _LOADED.findall(text)
