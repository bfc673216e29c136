"""Spelling errors in texts: letters that are swapped, left out, doubled or replaced by a neighbour on the keyboard."""

import re
from dataclasses import dataclass
from typing import final

import torch

from mmrec.nn.attacks.goal import GOALS, check_goal

_KEYBOARD = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_WORD = re.compile(r"\w{4,}")
"""Shorter words are left alone: a change would often make another word of them."""


@final
@dataclass(frozen=True)
class WordAttack:
    """The settings of spelling errors in the texts of items, chosen greedily by their effect (TextBugger, Li et al. 2019; DeepWordBug, Gao
    et al. 2018).

    Args:
        n_changes: rounds, in each of which one more word of an item's text is misspelled, if that helps the attacker.
        candidates: random errors that are tried in a round, of which the best is kept.
        goal: as of `PictureAttack`.
        column: likewise.
        value: likewise.
        share: likewise.
        seed: of the errors.

    Raises:
        ValueError: an argument is out of range.
    """

    n_changes: int = 2
    candidates: int = 8
    goal: str = GOALS[0]
    column: str | None = None
    value: str | None = None
    share: float = 0.05
    seed: int = 0

    def __post_init__(self) -> None:
        check_goal(self.goal, self.column, self.value)
        for name in ("n_changes", "candidates"):
            if not 1 <= (value := getattr(self, name)) <= 1000:
                raise ValueError(f"{name}: expected 1 to 1000, found {value}")


def misspell(text: str, generator: torch.Generator, taken: frozenset[int] = frozenset()) -> tuple[str, int]:
    """Misspell one word of at least four letters, drawn at random, by one of four errors; its first letter stays.

    Args:
        text: any text.
        generator: draws the word and the error.
        taken: positions of words, counted among those of at least four letters, that are left as they are.

    Returns:
        The text and the position of the changed word; the unchanged text and -1 if there is no word to change.

    Example:
        >>> misspell("a red lamp", torch.Generator().manual_seed(0))[0] != "a red lamp"
        True
    """
    words = list(_WORD.finditer(text))
    free = [at for at in range(len(words)) if at not in taken]
    if not free:
        return text, -1
    chosen = free[_draw(len(free), generator)]
    found = words[chosen]
    return text[: found.start()] + _with_error(found[0], generator) + text[found.end() :], chosen


def _with_error(word: str, generator: torch.Generator) -> str:
    """A word with two letters swapped, one left out, one doubled, or one replaced by its neighbour on the keyboard."""
    at, kind = 1 + _draw(len(word) - 1, generator), _draw(4, generator)
    if kind == 0 and (differing := [n for n in range(1, len(word) - 1) if word[n] != word[n + 1]]):
        at = differing[_draw(len(differing), generator)]
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    if kind == 1:
        return word[:at] + word[at + 1 :]
    if kind == 2:
        return word[:at] + word[at] + word[at:]
    return word[:at] + _neighbour(word[at], generator) + word[at + 1 :]


def _neighbour(letter: str, generator: torch.Generator) -> str:
    """A letter beside another on a keyboard, in its case; letters that are not on it are left out."""
    row = next((row for row in _KEYBOARD if letter.lower() in row), None)
    if row is None:
        return ""
    at = row.index(letter.lower())
    beside = [row[n] for n in (at - 1, at + 1) if 0 <= n < len(row)]
    found = beside[_draw(len(beside), generator)]
    return found.upper() if letter.isupper() else found


def _draw(n: int, generator: torch.Generator) -> int:
    return int(torch.randint(n, (), generator=generator))
