"""`mmrec data init PATH`: looks at a folder of any files, guesses which is which, and writes `PATH/mmrec.yaml` with its reasons."""

from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from shlex import quote

import yaml
from rich.table import Table
from rich.text import Text

from mmrec.api.console import console_output
from mmrec.cli.arguments import parse_arguments, unknown_option_error
from mmrec.data.discover.guess import Guesses, guess_settings
from mmrec.data.discover.guess_columns import DOUBTFUL, Guess
from mmrec.data.discover.survey import SAMPLE_ROWS, survey_folder
from mmrec.data.folder.settings import FILE
from mmrec.errors import ConfigError, StorageError
from mmrec.files.locate import missing_file, user_path
from mmrec.files.storage import write_text
from mmrec.terminal import say, show

_DESCRIPTION = f"""Looks at the files in a folder, whatever they are called, and guesses which has interactions, items, users, triples,
which column is which, and where the pictures are. Writes the guesses with their reasons to PATH/{FILE}, which every verb reads.

  mmrec data init my_shop/           then correct what is wrong in my_shop/{FILE}
  mmrec data check my_shop/          everything that is wrong with the files, in one pass
"""


@console_output()
def init(words: Sequence[str]) -> Guesses:
    """Guesses, prints and writes the settings of the folder that the command line names.

    Raises ConfigError for an option that does not exist and where the settings are there already, MissingFile for no such folder, DataError
    where nothing in it could be interactions, StorageError where the folder takes no file.
    """
    arguments = _parse(words)
    folder = user_path(arguments.path)
    if not folder.is_dir():
        raise missing_file(folder)
    target = folder / FILE
    if target.exists() and not arguments.force:
        raise ConfigError(f"{target} is there already; look at it with `mmrec data check {folder}`, or write it anew with --force")
    guesses = guess_settings(survey_folder(folder))
    try:
        write_text(target, settings_text(guesses))
    except OSError as error:
        raise StorageError(f"{target}: {error.strerror}; copy the folder, or give settings as overrides") from None
    _show(guesses, folder)
    return guesses


def make_parser() -> ArgumentParser:
    """The command line of the verb."""
    parser = ArgumentParser(
        "mmrec data init", description=_DESCRIPTION, formatter_class=RawDescriptionHelpFormatter, exit_on_error=False, allow_abbrev=False
    )
    parser.add_argument("path", nargs="?", metavar="PATH", help="the folder")
    parser.add_argument("--force", action="store_true", help=f"write {FILE} anew where it is there already")
    return parser


def settings_text(guesses: Guesses) -> str:
    """The content of `mmrec.yaml`: every guess with how sure it is and why, and what was not found."""
    lines = [
        f"# How mmrec reads this folder: guesses of `mmrec data init` from the first {SAMPLE_ROWS:,} rows of each table, how sure",
        "# each is and why. Correct what is wrong, then see what `mmrec data check` says. Left are mmrec's names, right are yours.",
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
    """A text, in quotes where YAML would take it for something else, or a list of texts."""
    if isinstance(value, list):
        return f"[{', '.join(_flow(one) for one in value)}]"
    plain = value.replace("_", "").replace("-", "").replace("/", "").replace(".", "")
    quoted = yaml.safe_dump(value, default_style='"', allow_unicode=True, width=2**20).strip()
    return value if plain.isalnum() and value[0].isalpha() and yaml.safe_load(value) == value else quoted


def _why(guess: Guess) -> str:
    return f"  # {guess.confidence}: {_comment(guess.reason)}"


def _comment(text: str) -> str:
    """The text as it may stand in a comment, whatever a file is called: one line, nothing that YAML refuses."""
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
    first = f"look at {doubtful} marked `{DOUBTFUL}` in {folder / FILE}, then " if doubtful else ""
    lines.append(f"next: {first}mmrec data check {quote(str(folder))}")
    is_given = any(guess.key.startswith("tables.interactions.") for guess in guesses.found)
    split = " split=given" if is_given else ""
    lines.append(f"then: mmrec train data=folder {quote(f'data.path={folder}')}{split}")
    if is_given:
        lines.append("split=given keeps to the parts that your files are; without it the rows of all are split anew")
    say(*lines, stderr=False)


def _parse(words: Sequence[str]) -> Namespace:
    parser = make_parser()
    arguments, unknown = parse_arguments(parser, words)
    if unknown and unknown[0].startswith("-"):
        raise unknown_option_error(parser, unknown[0])
    if unknown:
        raise ConfigError(f"{unknown[0]}: expected one folder, `{arguments.path}` is one already")
    if arguments.path is None:
        raise ConfigError("expected a folder: mmrec data init my_shop/")
    return arguments
