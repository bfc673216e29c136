"""The words of a command line: what argparse makes of those of verbs without overrides, and which ones Hydra composes."""

import re
from argparse import ArgumentError, ArgumentParser, Namespace
from collections.abc import Sequence

from mmrec.errors import ConfigError, nearest


def parse_words(parser: ArgumentParser, words: Sequence[str]) -> tuple[Namespace, list[str]]:
    """What the parser knows of the words, and the rest. Raises ConfigError for a value that an option cannot have."""
    try:
        return parser.parse_known_args(words)
    except ArgumentError as error:
        raise ConfigError(f"{error.argument_name}: {error.message}") from None


def no_such_option(parser: ArgumentParser, word: str) -> ConfigError:
    """The error for an option that is none, with the nearest that is."""
    options = re.findall(r"--[\w-]+", parser.format_help())
    return ConfigError(f"{word}: there is no such option; {nearest(word, options)}")


def resume_words(words: Sequence[str]) -> tuple[list[str], list[str]]:
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
