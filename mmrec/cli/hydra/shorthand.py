"""The words of `mmrec data check`, `describe`, `ingest` and `graph` as overrides: they take a folder instead of two keys, and options."""

import re
from collections.abc import Sequence
from pathlib import Path

from mmrec.cli.verb_help import VERB_HELP
from mmrec.config.hydra.quoting import quoted, quoted_path
from mmrec.errors import ConfigError, nearest

_OPTIONS = {"data check": ("--json",), "data describe": ("--output",), "data graph": ("--output",), "data ingest": ()}
_OUTPUT = ("data ingest",)
"""Verbs whose second word without a key is the folder to write."""
_PATH_STARTS = ("/", "./", "../")
"""No key starts so."""
_HYDRA = ("--cfg", "-c", "--resolve", "--package", "-p", "--info", "--config-dir", "-cd", "--multirun", "-m", "--help", "-h")


def expand_shorthand(verb: str, words: Sequence[str]) -> list[str]:
    """The words of a verb as Hydra takes them. Raises ConfigError for an unknown option, one without a value, none or a second folder."""
    options, spelt, folder, queue = _OPTIONS[verb], [], None, list(words)
    while queue:
        word = queue.pop(0)
        name, equals, value = word.partition("=")
        if name in options:
            if not equals and not queue:
                raise ConfigError(f"{name}: expected a file after it")
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
            raise ConfigError(f"`{word}`: expected one folder and overrides as key=value, `{folder}` is a folder already")
        else:
            folder = word
            spelt += ["data=folder", f"data.path={quoted_path(word)}"]
    if verb in VERB_HELP and not any(re.match(r"data(\.path)?=", word) for word in spelt):
        raise ConfigError(f"expected a folder or data=…: mmrec {verb} my_shop/")
    if verb in _OUTPUT and not any(word.startswith("output=") or word in _HYDRA for word in spelt):
        raise ConfigError(f"expected a folder to write: mmrec {verb} my_shop/ ready/")
    return spelt
