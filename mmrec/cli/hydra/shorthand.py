"""Translate the arguments of `mmrec data check`, `describe`, `ingest` and `graph`, a folder and options, to overrides."""

import re
from collections.abc import Sequence
from pathlib import Path

from mmrec.cli.verb_help import VERB_HELP
from mmrec.config.hydra.quoting import quoted, quoted_path
from mmrec.errors import ConfigError, nearest

_OPTIONS = {
    "data check": ("--json",),
    "data describe": ("--output",),
    "data graph": ("--output",),
    "data ingest": (),
    "data export-events": (),
}
_OUTPUT = ("data ingest",)
"""The subcommands whose second positional argument is the output folder."""
_PATH_STARTS = ("/", "./", "../")
"""Prefixes of paths; no configuration key starts with them."""
_HYDRA = ("--cfg", "-c", "--resolve", "--package", "-p", "--info", "--config-dir", "-cd", "--multirun", "-m", "--help", "-h")


def expand_shorthand(verb: str, words: Sequence[str]) -> list[str]:
    """Translate the arguments of a subcommand to overrides and options of Hydra.

    Raises:
        ConfigError: an option is unknown or lacks its value, or there is not exactly one input folder.
    """
    options, spelt, folder, queue = _OPTIONS[verb], [], None, list(words)
    while queue:
        word = queue.pop(0)
        name, equals, value = word.partition("=")
        if name in options:
            if not equals and not queue:
                raise ConfigError(f"{name}: expected a file name after this option")
            spelt.append(f"{name.removeprefix('--')}={quoted(value if equals else queue.pop(0))}")
        elif word.startswith("-"):
            if name not in _HYDRA:
                raise ConfigError(f"{word}: there is no such option; {nearest(name, [*options, *_HYDRA])}")
            spelt.append(word)
            spelt += [queue.pop(0)] if name in ("--cfg", "-c", "--package", "-p", "--config-dir", "-cd") and not equals and queue else []
        elif equals and not word.startswith(_PATH_STARTS) and not (folder is None and Path(word).is_dir()):
            spelt.append(word)
        elif folder is not None and verb in _OUTPUT and not any(one.startswith("output=") for one in spelt):
            spelt.append(f"output={quoted_path(word)}")
        elif folder is not None:
            raise ConfigError(f"`{word}`: expected a single folder and overrides as key=value; the folder `{folder}` is already given")
        else:
            folder = word
            spelt += ["data=folder", f"data.path={quoted_path(word)}"]
    if verb in VERB_HELP and not any(re.match(r"data(\.path)?=", word) for word in spelt):
        raise ConfigError(f"expected a folder or data=…: mmrec {verb} my_shop/")
    if verb in _OUTPUT and not any(word.startswith("output=") or word in _HYDRA for word in spelt):
        raise ConfigError(f"expected a folder to write: mmrec {verb} my_shop/ ready/")
    return spelt
