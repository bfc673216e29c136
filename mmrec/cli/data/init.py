"""The command `mmrec data init PATH`: guess the roles of the files and columns of a folder, and write them to `PATH/mmrec.yaml`."""

from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from shlex import quote

import yaml
from rich.table import Table
from rich.text import Text

from mmrec.api.console import console_output
from mmrec.cli.process.arguments import parse_arguments, unknown_option_error
from mmrec.data.discover.guess import Guesses, guess_settings
from mmrec.data.discover.guess_columns import DOUBTFUL, Guess
from mmrec.data.discover.survey import SAMPLE_ROWS, survey_folder
from mmrec.data.folder.settings import FILE
from mmrec.errors import ConfigError, StorageError
from mmrec.files.locate import missing_file, user_path
from mmrec.files.storage import write_text
from mmrec.terminal import say, show

_DESCRIPTION = f"""Guess the roles of the files and columns of a folder, and the location of its pictures, from names and contents.
Write the guesses with their reasons to PATH/{FILE}, which every command reads.

  mmrec data init my_shop/           then correct wrong guesses in my_shop/{FILE}
  mmrec data check my_shop/          report all problems of the files
"""


@console_output()
def init(words: Sequence[str]) -> Guesses:
    """Guess, print and write the settings of the folder named on the command line.

    Raises:
        ConfigError: an option does not exist, or the folder already has settings.
        MissingFile: the folder does not exist.
        DataError: no file looks like interactions.
        StorageError: the folder is not writable.
    """
    arguments = _parse(words)
    folder = user_path(arguments.path)
    if not folder.is_dir():
        raise missing_file(folder)
    target = folder / FILE
    if target.exists() and not arguments.force:
        raise ConfigError(f"{target} already exists; check it with `mmrec data check {folder}`, or overwrite it with --force")
    guesses = guess_settings(survey_folder(folder))
    try:
        write_text(target, settings_text(guesses))
    except OSError as error:
        raise StorageError(f"{target}: {error.strerror}; copy the folder, or pass the settings as overrides") from None
    _show(guesses, folder)
    return guesses


def make_parser() -> ArgumentParser:
    """Create the argument parser of the command."""
    parser = ArgumentParser(
        "mmrec data init", description=_DESCRIPTION, formatter_class=RawDescriptionHelpFormatter, exit_on_error=False, allow_abbrev=False
    )
    parser.add_argument("path", nargs="?", metavar="PATH", help="the folder")
    parser.add_argument("--force", action="store_true", help=f"overwrite an existing {FILE}")
    return parser


def settings_text(guesses: Guesses) -> str:
    """Return the content of `mmrec.yaml`: every guess with its confidence and reason, and what was not found."""
    lines = [
        f"# How mmrec reads this folder: guesses of `mmrec data init` from the first {SAMPLE_ROWS:,} rows of each table, each with its",
        "# confidence and reason. Correct wrong ones, then run `mmrec data check`. The names of mmrec are on the left, yours on the right.",
    ]
    for top, group in groupby(guesses.found, lambda guess: guess.key.split(".")[0]):
        lines += ["", *_section(top, list(group))]
    lines += ["", *(f"# Not found: {_comment(sentence)}" for sentence in guesses.missing)] if guesses.missing else []
    lines += ["", *(f"# Not used: {_comment(name)}" for name in guesses.unused[:20])] if guesses.unused else []
    lines += ["", *(f"# Note: {_comment(sentence)}" for sentence in guesses.odd)] if guesses.odd else []
    return "\n".join(lines) + "\n"


def _section(top: str, guesses: Sequence[Guess]) -> Iterator[str]:
    """The lines of one top-level key."""
    if "." not in guesses[0].key:
        yield f"{top}: {_flow(guesses[0].value)}{_why(guesses[0])}"
        return
    yield f"{top}:"
    for name, group in groupby(guesses, lambda guess: guess.key.split(".")[1]):
        members = list(group)
        nested = members[0].key.count(".") == 2
        if nested:
            yield f"  {name}:"
        for guess in members:
            yield f"{'    ' if nested else '  '}{guess.key.rsplit('.', 1)[1]}: {_flow(guess.value)}{_why(guess)}"


def _flow(value: str | list[str]) -> str:
    """A string, quoted if YAML would otherwise parse it as another type, or a list of strings."""
    if isinstance(value, list):
        return f"[{', '.join(_flow(one) for one in value)}]"
    plain = value.replace("_", "").replace("-", "").replace("/", "").replace(".", "")
    quoted = yaml.safe_dump(value, default_style='"', allow_unicode=True, width=2**20).strip()
    return value if plain.isalnum() and value[0].isalpha() and yaml.safe_load(value) == value else quoted


def _why(guess: Guess) -> str:
    return f"  # {guess.confidence}: {_comment(guess.reason)}"


def _comment(text: str) -> str:
    """Escape a text for a YAML comment: one line of printable characters, as file names may contain anything."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _show(guesses: Guesses, folder: Path) -> None:
    table = Table("setting", "guess", "sure?", "why", title=f"{folder / FILE}", title_justify="left")
    for guess in guesses.found:
        value = guess.value if isinstance(guess.value, str) else ", ".join(guess.value)
        style = "bold" if guess.confidence == DOUBTFUL else ""
        table.add_row(*(Text(text, style) for text in (guess.key, value, guess.confidence, guess.reason)))
    show(table)
    lines = [f"not found: {sentence}" for sentence in guesses.missing]
    if guesses.unused:
        more = f", … ({len(guesses.unused) - 5} more)" if len(guesses.unused) > 5 else ""
        lines.append(f"not used: {', '.join(guesses.unused[:5])}{more}")
    lines += [f"note: {sentence}" for sentence in guesses.odd]
    doubtful = sum(guess.confidence == DOUBTFUL for guess in guesses.found)
    first = f"check the {doubtful} marked `{DOUBTFUL}` in {folder / FILE}, then " if doubtful else ""
    lines.append(f"next: {first}mmrec data check {quote(str(folder))}")
    is_given = any(guess.key.startswith("tables.interactions.") for guess in guesses.found)
    split = " split=given" if is_given else ""
    lines.append(f"then: mmrec train data=folder {quote(f'data.path={folder}')}{split}")
    if is_given:
        lines.append("split=given uses your files as the parts of the split; without it, all rows are split again")
    say(*lines, stderr=False)


def _parse(words: Sequence[str]) -> Namespace:
    parser = make_parser()
    arguments, unknown = parse_arguments(parser, words)
    if unknown and unknown[0].startswith("-"):
        raise unknown_option_error(parser, unknown[0])
    if unknown:
        raise ConfigError(f"{unknown[0]}: expected a single folder, and `{arguments.path}` is already given")
    if arguments.path is None:
        raise ConfigError("expected a folder: mmrec data init my_shop/")
    return arguments
