"""Read what a person says about a list: likes, dislikes and critiques in the words of `mmrec.steering.phrases`."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple, final

from mmrec.steering.critique import (
    LESS,
    MORE,
    NO,
    ONLY,
    Critique,
    LikenessCritique,
    NumberCritique,
    ValueCritique,
    WordsCritique,
    contradicts,
)
from mmrec.steering.phrases import (
    ABOVE,
    ADJECTIVES,
    ALIKE,
    AT_LEAST,
    AT_MOST,
    BELOW,
    BUT,
    CONTRASTS,
    DISLIKE,
    ENDINGS,
    FIRST,
    HIGHER,
    JOINT,
    LIKE,
    LOWER,
    OPPOSITES,
    PHRASES,
    POLITE,
    THIS,
    UNDO,
    base_form,
    is_adjective,
)
from mmrec.steering.vocabulary import Vocabulary, folded_words

MAX_LENGTH = 500
"""The length up to which sentences are read."""
_PARTS = {"x": r"(?P<x>.+)", "item": r"(?P<item>.+?)", "rest": r"(?P<rest>.+)", "n": r"(?P<n>[-+]?\d[\d.,]*)"}


@final
@dataclass(frozen=True)
class Meaning:
    """What a sentence means: a like or dislike of an item, an undo, or critiques."""

    kind: str
    """`like`, `dislike`, `undo` or `critique`."""
    item_idx: int | None = None
    critiques: tuple[Critique, ...] = ()


@final
@dataclass(frozen=True)
class Unread:
    """A sentence that was not understood, and why."""

    reason: str = ""
    """`unknown_value`, `unknown_item`, `no_number`, `no_number_there`, `unknown_words`, or empty."""
    words: str = ""
    suggestions: tuple[str, ...] = ()


class _Stop(Exception):
    """A sentence has a known form, but names what the items do not have."""

    def __init__(self, unread: Unread) -> None:
        super().__init__(unread.reason)
        self.unread = unread


@final
@dataclass(frozen=True)
class Situation:
    """What a sentence may refer to."""

    vocabulary: Vocabulary
    shown: Sequence[int] = ()
    """The items of the latest list."""
    referred: int | None = None
    """The item that was mentioned last."""
    numbers: Callable[[str, int | None], float | None] = field(default=lambda column, item_idx: None)
    """Return the number of an item in a column, or, for None, the median of the latest list."""
    has_words: Callable[[str], bool] = field(default=lambda words: True)
    """Return whether items can be compared with words."""


def read_sentence(text: str, situation: Situation) -> Meaning | Unread:
    """Read a sentence.

    >>> words = Vocabulary(["a"], ["Alien"], {"genre": ["Drama"]})
    >>> read_sentence("Less of genre Drama, please!", Situation(words)).critiques
    (ValueCritique(kind='less', column='genre', value='Drama'),)

    Args:
        text: what a person says.
        situation: what it may refer to.

    Returns:
        What it means, or why it was not understood.
    """
    if len(text) > MAX_LENGTH:
        return Unread("too_long")
    folded = _bare(folded_words(text))
    if not folded:
        return Unread("empty")
    unread, whole = Unread("", text.strip()), None
    try:
        whole = _whole(folded, situation)
    except _Stop as stop:
        unread = stop.unread
    if whole is None or any(isinstance(one, WordsCritique) for one in whole.critiques):  # words may be several critiques
        return _several(folded, situation) or whole or unread
    return whole


def _several(folded: str, situation: Situation) -> Meaning | None:
    """Critiques that are joined by `and`, `but` or a comma, if each of them can be read and counts beside the others.

    A value alone continues what was said of the one before: `no drama and horror` wants neither.
    """
    parts = JOINT.split(folded)
    pieces = [(joint.strip(), one.strip()) for joint, one in zip(["", *parts[1::2]], parts[::2], strict=True) if one.strip()]
    if len(pieces) < 2:
        return None
    found: list[Critique] = []
    for joint, piece in pieces:
        new = _continued(found[-1], piece, situation) if found and joint not in CONTRASTS else None
        if new is None:
            try:
                meaning = _whole(_bare(piece), situation)
            except _Stop:
                return None
            if meaning is None or meaning.kind != "critique":
                return None
            new = meaning.critiques
        if any(contradicts(one, old, OPPOSITES) for one in new for old in found):
            return None  # only one of them would count
        found += new
    return Meaning("critique", critiques=tuple(found))


def _continued(before: Critique, piece: str, situation: Situation) -> tuple[Critique, ...] | None:
    """The critique before it, of another value that stands alone; None if it is none."""
    value = situation.vocabulary.find_value(piece)
    return None if value is None or not isinstance(before, ValueCritique) else (ValueCritique(before.kind, *value),)


def _whole(folded: str, situation: Situation) -> Meaning | None:
    """The meaning of one phrase; None if it has no known form."""
    stopped: _Stop | None = None
    for kind, parts in _matches(folded):
        try:
            found = _READERS[kind](kind, parts, situation)
        except _Stop as stop:
            stopped = stopped or stop
            continue
        if found is not None:
            return found
    alone = _alone(folded, situation)
    if alone is None and stopped is not None:
        raise stopped
    return alone


def _alone(folded: str, situation: Situation) -> Meaning | None:
    """A value, an adjective or a comparative that stands alone."""
    if (found := situation.vocabulary.find_value(folded)) is not None:
        return _critique(ValueCritique(MORE, found.column, found.value))
    if folded in ADJECTIVES:
        return _critique(_by_adjective(folded, True, None, situation))
    if is_adjective(folded) and situation.has_words(base_form(folded)):
        return _critique(WordsCritique(base_form(folded)))
    return None


def _read_undo(kind: str, parts: dict[str, str], situation: Situation) -> Meaning | None:
    return Meaning(UNDO)


def _read_item(kind: str, parts: dict[str, str], situation: Situation) -> Meaning | None:
    """A like, a dislike, or the wish for items like one."""
    item_idx = _item(parts["item"], situation)
    if item_idx is None:
        close = situation.vocabulary.close_items(parts["item"])
        if close or kind != DISLIKE:
            raise _Stop(Unread("unknown_item", parts["item"], tuple(situation.vocabulary.title(one) for one in close)))
        return None
    return _critique(LikenessCritique(item_idx)) if kind == ALIKE else Meaning(kind, item_idx)


def _read_but(kind: str, parts: dict[str, str], situation: Situation) -> Meaning | None:
    """`like this but cheaper`: the rest refers to the item."""
    item_idx = _item(parts["item"], situation)
    if item_idx is None:
        close = situation.vocabulary.close_items(parts["item"])
        raise _Stop(Unread("unknown_item", parts["item"], tuple(situation.vocabulary.title(one) for one in close)))
    inner = Situation(situation.vocabulary, (), item_idx, situation.numbers, situation.has_words)
    rest = read_sentence(parts["rest"], inner)
    if isinstance(rest, Unread):
        raise _Stop(rest)
    return None if rest.kind != "critique" else _critique(LikenessCritique(item_idx), *rest.critiques)


def _read_limit(kind: str, parts: dict[str, str], situation: Situation) -> Meaning | None:
    """`price below 20`, or `under 20` where only one column has numbers."""
    numbers = situation.vocabulary.numbers
    column = situation.vocabulary.find_number(parts["x"]) if "x" in parts else numbers[0] if len(numbers) == 1 else None
    if column is None:
        return None
    try:
        limit = float(parts["n"].rstrip(".,").replace(",", ""))
    except ValueError:
        return None
    return _critique(NumberCritique(column, kind in (BELOW, AT_MOST), limit, kind in (AT_MOST, AT_LEAST)))


def _read_number(kind: str, parts: dict[str, str], situation: Situation) -> Meaning | None:
    column = situation.vocabulary.find_number(parts["x"])
    if column is None:
        return None
    return _critique(_relative(column, kind == LOWER, parts.get("item"), situation))


def _read_attribute(kind: str, parts: dict[str, str], situation: Situation) -> Meaning | None:
    """More, less, nothing or only of something: an adjective of a number, a value, a number, or words."""
    vocabulary, words = situation.vocabulary, parts["x"].strip()
    if kind == MORE and any(form in (LESS, NO) for form, _ in _matches(words)):
        return _whole(words, situation)  # `something less dark`: what follows has a form of its own
    if words in (LESS, MORE):
        return None
    if words in ADJECTIVES and kind != ONLY:
        return _critique(_by_adjective(words, kind == MORE, parts.get("item"), situation))
    if (found := vocabulary.find_value(words)) is not None:
        return _critique(ValueCritique(kind, found.column, found.value))
    if kind in (MORE, LESS) and (column := vocabulary.find_number(words)) is not None:
        return _critique(_relative(column, kind == LESS, parts.get("item"), situation))
    column_named = vocabulary.names_column(words)
    close = vocabulary.close_values(words)
    if column_named is not None or close:
        raise _Stop(Unread("unknown_value", words, tuple(f"{one.column} {one.value}" for one in close)))
    if kind == ONLY:
        raise _Stop(Unread("unknown_value", words))
    if not situation.has_words(base_form(words)):
        raise _Stop(Unread("unknown_words", words))
    return _critique(WordsCritique(base_form(words), kind == MORE))


_READERS: dict[str, Callable[[str, dict[str, str], Situation], Meaning | None]] = {
    UNDO: _read_undo,
    BUT: _read_but,
    ALIKE: _read_item,
    DISLIKE: _read_item,
    LIKE: _read_item,
    BELOW: _read_limit,
    ABOVE: _read_limit,
    AT_MOST: _read_limit,
    AT_LEAST: _read_limit,
    LOWER: _read_number,
    HIGHER: _read_number,
    NO: _read_attribute,
    ONLY: _read_attribute,
    LESS: _read_attribute,
    MORE: _read_attribute,
}


def _by_adjective(word: str, is_more: bool, item: str | None, situation: Situation) -> NumberCritique:
    columns, is_lower = ADJECTIVES[word]
    names = {folded_words(one): one for one in situation.vocabulary.numbers}
    column = next((names[folded_words(one)] for one in columns if folded_words(one) in names), None)
    if column is None:
        raise _Stop(Unread("no_number", word, tuple(situation.vocabulary.numbers)))
    return _relative(column, is_lower == is_more, item, situation)


def _relative(column: str, is_lower: bool, item: str | None, situation: Situation) -> NumberCritique:
    """A number below or above that of an item, or of the median of the list."""
    item_idx = None
    if item is not None and (item_idx := _item(item, situation)) is None:
        raise _Stop(Unread("unknown_item", item))
    if item_idx is None and not situation.shown:
        item_idx = situation.referred
    than = situation.numbers(column, item_idx)
    if than is None:
        raise _Stop(Unread("no_number_there", column))
    return NumberCritique(column, is_lower, than)


def _item(words: str, situation: Situation) -> int | None:
    """The item that words name: a place in the list, `this`, an id or a title."""
    words = words.strip(" ,;")
    if words in THIS:
        return situation.referred if situation.referred is not None else next(iter(situation.shown), None)
    known = situation.vocabulary.find_item(words)
    if known is not None and not words.isdigit():
        return known
    place = re.fullmatch(r"(?:the |number |no\. ?|#|第)?(\d{1,4}|first|second|third|last)(?: one|个|部|件)?", words)
    if place is None:
        return known
    number = FIRST[place[1]] if place[1] in FIRST else int(place[1])
    if number == 0:
        return known
    index = number - 1 if number > 0 else number
    return situation.shown[index] if -1 <= index < len(situation.shown) and situation.shown else known


def _critique(*critiques: Critique) -> Meaning:
    return Meaning("critique", critiques=critiques)


def _bare(folded: str) -> str:
    """A sentence without polite beginnings and endings."""
    before = None
    while before != folded:
        before = folded
        for word in POLITE:
            folded = folded.removeprefix(word).lstrip(" ,，") if _begins(folded, word) else folded
        for word in ENDINGS:
            if folded != word and folded.endswith(word if not word.isascii() else f" {word}"):
                folded = folded.removesuffix(word).rstrip(" ,，")
    return folded


def _begins(folded: str, word: str) -> bool:
    return folded.startswith(f"{word} " if word.isascii() else word) and folded != word


class _Pattern(NamedTuple):
    kind: str
    expression: re.Pattern[str]
    n_literal: int


@cache
def _patterns() -> tuple[_Pattern, ...]:
    """All phrases as regular expressions, those with most fixed letters first."""
    found = []
    for kind, phrases in PHRASES.items():
        for phrase in phrases:
            pieces = re.split(r"\{(\w+)\}", phrase)
            expression = "".join(_PARTS[piece] if at % 2 else re.escape(piece) for at, piece in enumerate(pieces))
            found.append(_Pattern(kind, re.compile(expression), sum(map(len, pieces[::2]))))
    return tuple(sorted(found, key=lambda one: -one.n_literal))


def _matches(folded: str) -> Iterator[tuple[str, dict[str, str]]]:
    """The phrases that a sentence has the form of, and what stands in their places."""
    for kind, expression, _ in _patterns():
        if (found := expression.fullmatch(folded)) is not None:
            yield kind, found.groupdict()
