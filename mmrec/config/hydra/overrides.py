"""Prepare the overrides of a command line or call for Hydra."""

import re
from collections.abc import Sequence
from importlib.resources import files

from mmrec.config.hydra.errors import no_choice
from mmrec.config.hydra.quoting import quote_paths
from mmrec.errors import ConfigError

_OPEN = re.compile(r"data\.(features|inputs)[.=]")
"""Keys with user-defined names below them, for which Hydra requires the prefix ++."""


def prepare_overrides(words: Sequence[str]) -> list[str]:
    """Return overrides in the form that Hydra requires: paths quoted, and user-defined keys with the prefix ++.

    Raises:
        ConfigError: an override has no key, or a number as the choice of a group, on which Hydra itself fails with a traceback.
    """
    prepared = [f"++{word}" if _OPEN.match(word) else word for word in quote_paths(words)]
    groups = {path.name for path in files("mmrec.conf").iterdir() if path.is_dir()}
    for word in prepared:
        key, equals, value = word.partition("=")
        if equals and not key:
            raise ConfigError(f"`{word}` is not a valid override; expected key=value")
        if key in groups and re.fullmatch(r"[-+.\d]+", value):
            raise ConfigError(no_choice(key, value))
    return prepared


def split_resume_overrides(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split the arguments of a command line that resumes a run into those for Hydra and the overrides for the run.

    Hydra would apply these overrides to the default configuration, which may lack keys of the run. All arguments of a sweep, and of
    commands that do not resume a run, are for Hydra.
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
