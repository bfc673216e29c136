"""Spelling errors of generated search queries."""

import numpy as np

LETTERS = "abcdefghijklmnopqrstuvwxyz"
_SHORTEST = 4
"""Shorter words are left as they are, since one wrong letter makes another word of them."""


def misspell(text: str, rng: np.random.Generator) -> str:
    """Return a text with one wrong letter in one of its longer words: swapped, left out, doubled or replaced; never the first letter.

    A text of short words alone is returned as it is.
    """
    words = text.split(" ")
    places = [place for place, word in enumerate(words) if len(word) >= _SHORTEST and word.isalpha()]
    if not places:
        return text
    place = places[rng.integers(len(places))]
    word, at = words[place], int(rng.integers(1, len(words[place]) - 1))
    before, letter, after = word[:at], word[at], word[at + 1 :]
    other = LETTERS[rng.integers(len(LETTERS))]
    wrong = (before + after[0] + letter + after[1:], before + after, before + letter + letter + after, before + other + after)
    words[place] = wrong[rng.integers(len(wrong))]
    return " ".join(words)
