"""The words of a command line, or of a call, that Hydra composes a configuration from."""

import re
from collections.abc import Sequence
from importlib.resources import files

from mmrec.config.hydra.errors import no_choice
from mmrec.config.hydra.quoting import quote_paths
from mmrec.errors import ConfigError

_OPEN = re.compile(r"data\.(features|inputs)[.=]")
"""Keys with whatever names a person has below them: Hydra wants ++ for that."""


def prepare_overrides(words: Sequence[str]) -> list[str]:
    """Return the words as Hydra takes them: paths quoted, and open keys with the sign that adds them.

    Raises:
        ConfigError: for an override without a key, and for a number where a group takes a name: Hydra itself fails on both with a trace.
    """
    prepared = [f"++{word}" if _OPEN.match(word) else word for word in quote_paths(words)]
    groups = {path.name for path in files("mmrec.conf").iterdir() if path.is_dir()}
    for word in prepared:
        key, equals, value = word.partition("=")
        if equals and not key:
            raise ConfigError(f"`{word}` is no override; expected key=value")
        if key in groups and re.fullmatch(r"[-+.\d]+", value):
            raise ConfigError(no_choice(key, value))
    return prepared


def split_resume_overrides(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words of a command line that Hydra composes, and, where they resume a run, the overrides of that run.

    Hydra would hold the overrides against the default configuration, which lacks what the run chose otherwise. A sweep stays Hydra's.
    """
    runs = [word for word in words if word.lstrip("+").startswith("resume=")]
    if not runs or runs[-1].endswith(("=", "=null")) or {"-m", "--multirun"} & set(words):
        return list(words), []
    ours = [
        word
        for word in words
        if word not in runs and not word.startswith(("-", "hydra.", "hydra/")) and ("=" in word or word.startswith("~"))
    ]
    return [word for word in words if word not in ours], ours
