"""Quote texts and paths that the grammar of Hydra's overrides would reject, split or convert."""

import re
from collections.abc import Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from mmrec.files.locate import user_path

_PATHS = re.compile(
    r"\+{0,2}(run|image|run_dir|resume|output|predictions|json|store|features\.store|paths\.(cache|runs)"
    r"|data\.(path|pictures|quarantine|archive|cache|files\.folder|(tables|features)\..+))"
)
"""Keys whose value is a path."""


def quote_paths(words: Sequence[str]) -> list[str]:
    """Quote the values of path keys that Hydra's grammar does not parse as text, such as `data.path=a=b` and `run=~name`.

    Existing paths are always quoted. In a sweep, commas and functions such as `choice(a,b)` keep their meaning for Hydra.
    """
    is_sweep = not {"-m", "--multirun"}.isdisjoint(words)
    return [_with_quoted_path(word, is_sweep) for word in words]


def _with_quoted_path(word: str, is_sweep: bool) -> str:
    key, _, text = word.partition("=")
    if not text or not _PATHS.fullmatch(key) or (_is_text(text, is_sweep) and not user_path(text).exists()):
        return word
    return f"{key}={quoted_path(text)}"


def quoted_path(text: str) -> str:
    """Return a path in quotes, with `~` expanded to the home folder."""
    return quoted(str(user_path(text)) if text.startswith("~") else text)


def _is_text(text: str, is_sweep: bool) -> bool:
    """Whether Hydra parses a value as text or null, or, in a sweep, as several values."""
    try:
        override = OverridesParser.create().parse_override(f"key={text}")
    except HydraException:
        return False
    return is_sweep if override.is_sweep_override() else override.value() is None or isinstance(override.value(), str)


def quoted(text: str) -> str:
    """Return any text in quotes, escaped for the grammars of Hydra and OmegaConf."""
    text = re.sub(r"(\\*)\$\{", r"\1\1\\${", text)
    return "'" + re.sub(r"(\\*)('|$)", r"\1\1\2", text).replace("'", r"\'") + "'"
