"""The words of verbs that take options instead of overrides, as argparse reads them."""

import re
from argparse import ArgumentError, ArgumentParser, Namespace
from collections.abc import Sequence

from mmrec.errors import ConfigError, nearest


def parse_arguments(parser: ArgumentParser, words: Sequence[str]) -> tuple[Namespace, list[str]]:
    """What the parser knows of the words, and the rest. Raises ConfigError for a value that an option cannot have."""
    try:
        return parser.parse_known_args(words)
    except ArgumentError as error:
        raise ConfigError(f"{error.argument_name}: {error.message}") from None


def unknown_option_error(parser: ArgumentParser, word: str) -> ConfigError:
    """The error for an option that is none, with the nearest that is."""
    options = re.findall(r"--[\w-]+", parser.format_help())
    return ConfigError(f"{word}: there is no such option; {nearest(word, options)}")
