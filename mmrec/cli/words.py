"""The words of verbs that take folders and options instead of overrides: what argparse makes of them, its complaints as our errors."""

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
    options = [option for action in parser._actions for option in action.option_strings]
    return ConfigError(f"{word}: there is no such option; {nearest(word, options)}")
