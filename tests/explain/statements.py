"""A program that reads the sentences of explanations back, and says which of their statements the findings do not support.

It knows the words of both languages, but nothing of how sentences are made.
"""

import random
import re
from collections.abc import Iterator

from mmrec.explain.explanation import EvidenceReason, Explanation, ItemReason, PathReason

NAME, NAMES = "“([^”]*)”", "((?:“[^”]*”(?:, | and )?)+)"
ENGLISH = {
    "evidence": rf"What speaks for {NAME} is mostly (.+) \((\d+)% of what raises it above other items\)\.",
    "removed": rf"Without {NAMES} in your history, {NAME} would not be among your (\d+) best(?:; {NAME} would be instead)?\.",
    "link": rf"{NAME} and {NAME} are both connected to (.+) \((.*)\); without it, (?:“[^”]*”) has less of a lead over other items\.",
    "direct": rf"{NAME} is connected to {NAME} \((.*)\); without it, (?:“[^”]*”) has less of a lead over other items\.",
    "path": rf"{NAME} is connected to {NAME} through (.+); without it, (?:“[^”]*”) has less of a lead over other items\.",
    "neutral": rf"{NAME} is number (\d+) of the items that are new to you; no single reason stands out\.",
}
CHINESE_NAME, CHINESE_NAMES = "《([^》]*)》", "((?:《[^》]*》[、和]?)+)"
CHINESE = {
    "evidence": rf"推荐{CHINESE_NAME}主要依据(.+)（占其领先因素的(\d+)%）。",
    "removed": rf"如果您的历史中没有{CHINESE_NAMES}，{CHINESE_NAME}就不会进入前(\d+)名(?:，取而代之的是{CHINESE_NAME})?。",
    "link": rf"{CHINESE_NAME}和{CHINESE_NAME}都与“(.+)”相关（(.*)），去掉这一联系后，(?:《[^》]*》)相对其他商品的领先会缩小。",
    "direct": rf"{CHINESE_NAME}与{CHINESE_NAME}直接相关（(.*)），去掉这一联系后，(?:《[^》]*》)相对其他商品的领先会缩小。",
    "path": rf"{CHINESE_NAME}经由(.+)与{CHINESE_NAME}相关，去掉这一联系后，(?:《[^》]*》)相对其他商品的领先会缩小。",
    "neutral": rf"在对您而言的新商品中，{CHINESE_NAME}排名第(\d+)，没有特别突出的单一原因。",
}
FORMS = {"en": ENGLISH, "zh": CHINESE}
KINDS = {
    "en": {
        "what people chose": "collaborative",
        "its text": "text",
        "its pictures": "image",
        "what it is connected to in the knowledge graph": "kg",
        "the description of you": "user_text",
    },
    "zh": {"其他用户的选择": "collaborative", "文字描述": "text", "图片": "image", "知识图谱中的联系": "kg", "您的描述": "user_text"},
}
QUOTED = {"en": "“([^”]*)”", "zh": "《([^》]*)》"}
COMMA = {"en": ", ", "zh": "、"}


def unsupported(found: Explanation, language: str) -> Iterator[str]:
    """Yield the sentences of which a statement is not supported, or that say nothing known."""
    if not found.sentences:
        yield "no sentence"
    for sentence in found.sentences:
        read = [(kind, match) for kind, form in FORMS[language].items() if (match := re.fullmatch(form, sentence))]
        if not any(_holds(found, kind, [*match.groups()], language) for kind, match in read):
            yield sentence


def _holds(found: Explanation, kind: str, said: list[str], language: str) -> bool:
    if kind == "evidence":
        title, words, percent = said
        modality = KINDS[language].get(words, words[1:-1])
        shares = {one.modality: one.share for one in found.evidence}
        rises = {one.modality for one in found.evidence if one.value > 0}
        share = shares.get(modality, 0.0)
        rises_in_all = sum(one.value for one in found.evidence) > 0
        return title == found.title and modality in rises and rises_in_all and share > 0.5 and abs(int(percent) - 100 * share) <= 0.5 + 1e-9
    if kind == "removed":
        names, title, k, replacement = said
        all_named = sorted(re.findall(QUOTED[language], names)) == sorted(one.title for one in found.removed)
        in_place = None if found.replacement is None else found.replacement.title
        return all_named and title == found.title and int(k) == found.k and replacement == in_place and found.rank <= found.k
    if kind == "neutral":
        title, rank = said
        mostly = any(one.share > 0.5 for one in found.evidence) and sum(one.value for one in found.evidence) > 0
        few, connected = 0 < len(found.removed) <= 3, any(one.effect > 0 for one in found.paths)
        return title == found.title and int(rank) == found.rank and not (mostly or few or connected)
    return any(path.effect > 0 and _is_said(found, path, kind, said, language) for path in found.paths)


def _is_said(found: Explanation, path: PathReason, kind: str, said: list[str], language: str) -> bool:
    between, comma = list(path.entities[1:-1]), COMMA[language]
    relations = {one.removeprefix("^") for one in path.relations}
    if kind == "direct":
        return not between and said[:2] == [path.title, found.title] and set(said[2].split(comma)) == relations
    if kind == "link":
        return said[:3] == [path.title, found.title, *between] and set(said[3].split(comma)) == relations
    first, through, last = said if language == "zh" else (said[0], said[2], said[1])
    return (first, last) == (path.title, found.title) and len(between) > 1 and through == comma.join(between)


TITLES = (
    "Lamp",
    "lamp no 3",
    "A, B and C",
    "100% wool",
    "{title}",
    "Star Wars (1977)",
    "“",
    "",
    "椅子、灯和桌子",
    "a\nb",
    "\\1",
    "Without",
)
MODALITIES = ("collaborative", "text", "image", "kg", "user_text", "sound")
RELATIONS = ("made_by", "^made_by", "part_of", "^of genre")


def random_explanation(draw: random.Random) -> Explanation:
    """What may be found: any combination of evidence, removed items, a replacement and paths, at and around the limits."""
    kinds = draw.sample(MODALITIES, draw.randint(0, len(MODALITIES)))
    values = sorted((draw.choice([draw.uniform(-1, 1), 0.5, 0.0]) for _ in kinds), reverse=True)
    raised = sum(max(one, 0.0) for one in values)
    evidence = tuple(
        EvidenceReason(kind, value, max(value, 0.0) / raised if raised else 0.0, 0.2) for kind, value in zip(kinds, values, strict=True)
    )
    k = draw.choice([1, 10, 100])
    rank = draw.randint(1, 2 * k)
    removed = tuple(_item(draw) for _ in range(draw.choice([0, 0, 1, 2, 3, 4, 10]) if rank <= k else 0))
    paths = sorted((_path(draw) for _ in range(draw.randint(0, 3))), key=lambda one: -one.effect)
    return Explanation(
        "u1",
        "i1",
        _title(draw),
        draw.uniform(-3, 3),
        rank,
        evidence,
        (),
        removed,
        _item(draw) if removed and draw.random() < 0.8 else None,
        k,
        tuple(paths),
    )


def _title(draw: random.Random) -> str:
    return f"{draw.choice(TITLES)} {draw.randint(0, 99)}"


def _item(draw: random.Random) -> ItemReason:
    return ItemReason(f"i{draw.randint(0, 99)}", _title(draw), draw.uniform(-1, 1))


def _path(draw: random.Random) -> PathReason:
    n = draw.randint(1, 4)
    entities = tuple(f"{draw.choice(TITLES[:6])} entity {draw.randint(0, 99)}" for _ in range(n + 1))
    relations = tuple(draw.choice(RELATIONS) for _ in range(n))
    return PathReason("i9", _title(draw), entities, relations, draw.choice([draw.uniform(-1, 1), 0.0]))
