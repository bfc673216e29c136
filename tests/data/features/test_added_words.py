"""mmrec.data.features.added_words: the words of further texts, as if all texts had been read at once."""

import random

import torch

from mmrec.data.features.added_words import AddedWords
from mmrec.data.features.bag_of_words import find_words
from mmrec.types import Words


def columns(words: Words | None) -> list[tuple[int, ...]]:
    """The texts of each word, whatever the order of words."""
    if words is None:
        return []
    rows = torch.repeat_interleave(torch.arange(len(words.indptr) - 1), words.indptr.diff())
    return sorted(tuple(rows[words.indices == word].tolist()) for word in range(words.n_words))


def test_the_words_are_those_of_all_texts() -> None:
    rng = random.Random(0)
    for _ in range(50):
        texts = [" ".join(rng.choices("abcdefghijklmnop", k=rng.randint(0, 5))).encode() or None for _ in range(12)]
        found = AddedWords(texts[:8]).extended(texts[8:])
        assert columns(found) == columns(find_words(texts))
        assert found is None or all(row.equal(row.unique()) for row in found.indices.split(found.indptr.diff().tolist()))


def test_earlier_words_keep_their_columns() -> None:
    before, after = find_words([b"a b", b"a z"]), AddedWords([b"a b", b"a z"]).extended([b"b c", b"c"])
    assert before.n_words == 1 and after.n_words == 3 and after.indptr.tolist() == [0, 2, 3, 5, 6]
    assert after.indices.tolist() == [0, 1, 0, 1, 2, 2]
    assert AddedWords([b"a", b"b"]).extended([b"c"]) is None
