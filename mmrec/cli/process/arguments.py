"""Parse the arguments of subcommands that take options instead of overrides."""

import re
from argparse import ArgumentError, ArgumentParser, Namespace
from collections.abc import Sequence

from mmrec.errors import ConfigError, nearest


def parse_arguments(parser: ArgumentParser, words: Sequence[str]) -> tuple[Namespace, list[str]]:
    """Parse known arguments, and return them with the unknown ones. Raises ConfigError for invalid values of options."""
    try:
        return parser.parse_known_args(words)
    except ArgumentError as error:
        raise ConfigError(f"{error.argument_name}: {error.message}") from None


def unknown_option_error(parser: ArgumentParser, word: str) -> ConfigError:
    """Create the error for an unknown option, with the nearest valid one."""
    options = re.findall(r"--[\w-]+", parser.format_help())
    return ConfigError(f"{word}: there is no such option; {nearest(word, options)}")
