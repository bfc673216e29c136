"""Spelling errors: one word at a time, close to what it was, equal for equal seeds."""

import pytest
import torch

from mmrec.nn.attacks.misspelling import WordAttack, misspell

TEXT = "A warm reading lamp, for two"


def test_one_long_word_changes_and_its_first_letter_stays() -> None:
    kinds = set()
    for seed in range(200):
        found, word = misspell(TEXT, torch.Generator().manual_seed(seed))
        was, now = TEXT.replace(",", "").split(), found.replace(",", "").split()
        changed = [(a, b) for a, b in zip(was, now, strict=True) if a != b]
        assert len(changed) == 1 and changed[0][0] == ("warm", "reading", "lamp")[word]
        (before, after) = changed[0]
        assert before[0] == after[0] and abs(len(before) - len(after)) <= 1
        kinds.add(len(after) - len(before) if len(before) != len(after) else "swapped" if sorted(before) == sorted(after) else "replaced")
    assert kinds == {-1, 1, "swapped", "replaced"}


def test_seeds_repeat_and_taken_words_stay() -> None:
    assert misspell(TEXT, torch.Generator().manual_seed(3)) == misspell(TEXT, torch.Generator().manual_seed(3))
    assert {misspell(TEXT, torch.Generator().manual_seed(seed), frozenset({0, 2}))[1] for seed in range(20)} == {1}
    assert misspell("a red one", torch.Generator()) == ("a red one", -1)


def test_letters_of_other_alphabets_are_changed_too() -> None:
    assert all(misspell("тёплая", torch.Generator().manual_seed(seed))[0] != "тёплая" for seed in range(20))


@pytest.mark.parametrize("given", [{"n_changes": 0}, {"candidates": 0}, {"goal": "chaos"}, {"value": "lamp"}])
def test_settings_out_of_range_are_refused(given: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(given))):
        WordAttack(**given)  # type: ignore[arg-type]
