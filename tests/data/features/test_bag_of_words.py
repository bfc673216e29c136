"""mmrec.data.features.bag_of_words: words of any script, those of two items or more; counterfactuals keep what they say they keep."""

import pytest
import torch

from mmrec.data.features.bag_of_words import find_words, split_words
from mmrec.data.features.counterfactual import NOISE, SHUFFLED, change_words
from mmrec.types import Words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Toy Story (1995), toy!", ["toy", "story", "1995"]),
        ("Ｆｕｌｌ STRASSE straße", ["full", "strasse"]),
        ("红色连衣裙", ["红色", "色连", "连衣", "衣裙"]),
        ("红 dress", ["红", "dress"]),
        ("кот हिन्दी", ["кот", "हिन्दी"]),
        ("... --", []),
    ],
)
def test_split_words(text: str, words: list[str]) -> None:
    assert split_words(text) == words


def test_words_of_one_text_alone_are_left_out() -> None:
    words = find_words([b"red dress", None, b"red shoe", b"blue dress red"])
    assert words is not None and words.n_words == 2  # dress, red
    assert words.indptr.tolist() == [0, 2, 2, 3, 5] and words.indices.tolist() == [0, 1, 1, 0, 1]
    assert find_words([b"one", b"two", None]) is None


def rows(words: Words) -> list[tuple[int, ...]]:
    return [tuple(part.tolist()) for part in words.indices.tensor_split(words.indptr[1:-1])]


def test_shuffled_words_are_exchanged_among_the_items_that_have_some() -> None:
    words = find_words([b"a b", None, b"a c", b"b c a", b"c b"])
    assert words is not None
    changed = change_words(words, SHUFFLED, torch.Generator().manual_seed(1))
    assert rows(changed) != rows(words) and sorted(rows(changed)) == sorted(rows(words)) and rows(changed)[1] == ()


def test_noise_keeps_how_many_words_an_item_has_and_how_often_each_word_stands() -> None:
    words = find_words([b"a b", b"a c", b"b c a", b"c b"])
    assert words is not None
    changed = change_words(words, NOISE, torch.Generator().manual_seed(0))
    assert torch.equal(changed.indptr, words.indptr) and torch.equal(changed.indices.bincount(), words.indices.bincount())
    with pytest.raises(ValueError, match="expected one of shuffled, noise"):
        change_words(words, "rewired", torch.Generator())
