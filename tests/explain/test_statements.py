"""No sentence states what was not found: a program reads thousands of generated explanations back, in both languages."""

import random
from dataclasses import replace

import pytest

from mmrec.explain.explanation import EvidenceReason, Explanation, ItemReason, PathReason
from mmrec.explain.sentences import LANGUAGES, with_sentences
from tests.explain.statements import random_explanation, unsupported

FOUND = Explanation(
    "u1",
    "i1",
    "Target",
    1.0,
    2,
    (EvidenceReason("text", 0.6, 0.6, 0.5), EvidenceReason("kg", 0.4, 0.4, 0.5)),
    removed=(ItemReason("i2", "Alpha", 0.3), ItemReason("i3", "Beta", 0.2)),
    replacement=ItemReason("i4", "Delta", 0.0),
    paths=(PathReason("i2", "Alpha", ("e0", "Maker", "e1"), ("made_by", "^made_by"), 0.1),),
)
FALSE = {
    "another share": {"evidence": (EvidenceReason("text", 0.6, 0.7, 0.5),)},
    "another kind": {"evidence": (EvidenceReason("image", 0.6, 0.6, 0.5),)},
    "less than half": {"evidence": (EvidenceReason("text", 0.6, 0.5, 0.5),)},
    "lowers": {"evidence": (EvidenceReason("text", -0.6, 0.6, 0.5),)},
    "another condition": {"removed": FOUND.removed[:1]},
    "another replacement": {"replacement": None},
    "another k": {"k": 5},
    "not in the list": {"rank": 11},
    "another entity": {"paths": (replace(FOUND.paths[0], entities=("e0", "Brand", "e1")),)},
    "another relation": {"paths": (replace(FOUND.paths[0], relations=("part_of", "part_of")),)},
    "no effect": {"paths": (replace(FOUND.paths[0], effect=0.0),)},
    "another item": {"title": "Other"},
    "another start": {"paths": (replace(FOUND.paths[0], title="Beta"),)},
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_program_accepts_what_was_found_and_refuses_each_false_statement(language: str) -> None:
    said = with_sentences(FOUND, language)
    assert len(said.sentences) == 3 and not list(unsupported(said, language))
    for what, change in FALSE.items():
        assert list(unsupported(replace(said, **change), language)), what
    assert list(unsupported(replace(said, sentences=("Everybody likes “Target”.",)), language))
    neutral = with_sentences(Explanation("u1", "i1", "Target", 1.0, 2), language)
    assert not list(unsupported(neutral, language)) and list(unsupported(replace(neutral, rank=3), language))
    assert list(unsupported(replace(neutral, removed=FOUND.removed), language))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("n", [200, pytest.param(10_000, marks=pytest.mark.thorough)])
def test_no_generated_explanation_states_what_was_not_found(n: int, language: str) -> None:
    draw, kinds = random.Random(n), set[int]()
    for _ in range(n):
        said = with_sentences(random_explanation(draw), language)
        assert not list(unsupported(said, language)), said
        kinds.add(len(said.sentences))
    assert kinds == {1, 2, 3}
