"""Sentences state what was found and nothing else, in both languages, for every combination of findings."""

import re
from itertools import product

import pytest

from mmrec.errors import ConfigError
from mmrec.explain.explanation import EvidenceReason, Explanation, ItemReason, PathReason
from mmrec.explain.sentences import DOMINANT, NAMED_ITEMS, with_sentences

EVIDENCE = [
    (),
    (("image", 0.3, 0.6), ("text", 0.2, 0.4)),
    (("image", 0.2, 0.5), ("text", 0.2, 0.5)),
    (("text", 0.1, 0.35), ("image", 0.1, 0.35), ("kg", 0.1, 0.3)),
    (("text", -0.1, 0.0),),
]
REMOVED = [(), ("Alpha",), ("Alpha", "Beta"), tuple(f"item {n}" for n in range(NAMED_ITEMS + 1))]
PATHS = [(), (("e0", "Maker", "e1"), 0.2), (("e0", "e1"), 0.1), (("e0", "b", "Owner", "c", "e1"), 0.4), (("e0", "Maker", "e1"), -0.1)]


def found(evidence: tuple, removed: tuple, replaced: bool, path: tuple) -> Explanation:
    paths = () if not path else (PathReason("i9", "Gamma", path[0], ("made_by",) * (len(path[0]) - 1), path[1]),)
    return Explanation(
        "u1",
        "i1",
        "Target",
        1.0,
        1,
        evidence=tuple(EvidenceReason(name, value, share, 0.5) for name, value, share in evidence),
        removed=tuple(ItemReason(name, name, 1.0) for name in removed),
        replacement=ItemReason("i7", "Delta", 0.0) if replaced and removed else None,
        paths=paths,
    )


@pytest.mark.parametrize("language", ["en", "zh"])
def test_each_sentence_has_its_finding(language: str) -> None:
    for evidence, removed, replaced, path in product(EVIDENCE, REMOVED, (True, False), PATHS):
        one = found(evidence, removed, replaced, path)
        text = " ".join(said := with_sentences(one, language).sentences)
        is_dominant = bool(evidence) and evidence[0][2] > DOMINANT
        assert ("60%" in text) == is_dominant
        is_named = 0 < len(removed) <= NAMED_ITEMS
        assert all((name in text) == is_named for name in removed)
        assert ("Delta" in text) == (is_named and replaced)
        assert ("Gamma" in text) == bool(path and path[1] > 0)
        assert all((entity in text) == bool(path and path[1] > 0) for entity in (path[0][1:-1] if path else ()))
        n_expected = is_dominant + is_named + bool(path and path[1] > 0)
        assert len(said) == max(1, n_expected), "one neutral sentence if nothing stands out"
        assert "{" not in text and set(re.findall(r"\d+%", text)) <= {"60%"} and all("Target" in sentence for sentence in said)


def test_another_language_is_named_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match="language: expected a language with templates, found `de`"):
        with_sentences(found((), (), False, ()), "de")
