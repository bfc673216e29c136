"""Explanations in words, which state only what was found: templates in English and Chinese."""

from collections.abc import Callable
from dataclasses import replace

from mmrec.errors import ConfigError, nearest
from mmrec.explain.explanation import Explanation, PathReason
from mmrec.types import COLLABORATIVE, IMAGE, KG, TEXT, USER_TEXT

DOMINANT = 0.5
"""The share of what raises the lead of the item above which a kind of evidence is named as the main one."""
NAMED_ITEMS = 3
"""The largest number of items of the history that are named as the condition of a recommendation."""

_ENGLISH = {
    "evidence": "What speaks for {title} is mostly {modality} ({share:.0%} of what raises it above other items).",
    "removed": "Without {items} in your history, {title} would not be among your {k} best; {replacement} would be instead.",
    "removed_only": "Without {items} in your history, {title} would not be among your {k} best.",
    "link": "{first} and {title} are both connected to {entity} ({relations}); without it, {title} has less of a lead over other items.",
    "direct": "{first} is connected to {title} ({relations}); without it, {title} has less of a lead over other items.",
    "path": "{first} is connected to {title} through {entities}; without it, {title} has less of a lead over other items.",
    "neutral": "{title} is number {rank} of the items that are new to you; no single reason stands out.",
    "and": " and ",
    "comma": ", ",
    "quote": "“{}”",
}
_CHINESE = {
    "evidence": "推荐{title}主要依据{modality}（占其领先因素的{share:.0%}）。",
    "removed": "如果您的历史中没有{items}，{title}就不会进入前{k}名，取而代之的是{replacement}。",
    "removed_only": "如果您的历史中没有{items}，{title}就不会进入前{k}名。",
    "link": "{first}和{title}都与“{entity}”相关（{relations}），去掉这一联系后，{title}相对其他商品的领先会缩小。",
    "direct": "{first}与{title}直接相关（{relations}），去掉这一联系后，{title}相对其他商品的领先会缩小。",
    "path": "{first}经由{entities}与{title}相关，去掉这一联系后，{title}相对其他商品的领先会缩小。",
    "neutral": "在对您而言的新商品中，{title}排名第{rank}，没有特别突出的单一原因。",
    "and": "和",
    "comma": "、",
    "quote": "《{}》",
}
_MODALITIES = {
    "en": {
        COLLABORATIVE: "what people chose",
        TEXT: "its text",
        IMAGE: "its pictures",
        KG: "what it is connected to in the knowledge graph",
        USER_TEXT: "the description of you",
    },
    "zh": {
        COLLABORATIVE: "其他用户的选择",
        TEXT: "文字描述",
        IMAGE: "图片",
        KG: "知识图谱中的联系",
        USER_TEXT: "您的描述",
    },
}
LANGUAGES = {"en": _ENGLISH, "zh": _CHINESE}
"""The templates by language."""


def check_language(language: str) -> str:
    """Return the language. Raises ConfigError, naming those that there are, for others."""
    if language not in LANGUAGES:
        raise ConfigError(f"language: expected a language with templates, found `{language}`; {nearest(language, LANGUAGES)}")
    return language


def with_sentences(found: Explanation, language: str) -> Explanation:
    """Return an explanation with its sentences.

    Each states one finding: the kind of evidence with most of what raises the score, the items without which the list would be another,
    and the path in the graph with the largest effect. One sentence says so if nothing stands out.

    Args:
        found: what was found, without sentences.
        language: `en` or `zh`.

    Raises:
        ConfigError: there are no templates in this language.
    """
    words = LANGUAGES[check_language(language)]
    say: Callable[[str], str] = words["quote"].format
    title = say(found.title)
    sentences = []
    if sum(one.value for one in found.evidence) > 0 and (first := found.evidence[0]).share > DOMINANT:
        modality = _MODALITIES[language].get(first.modality, say(first.modality))
        sentences.append(words["evidence"].format(title=title, modality=modality, share=first.share))
    if found.removed and len(found.removed) <= NAMED_ITEMS:
        items = _listed([say(one.title) for one in found.removed], words)
        key = "removed" if found.replacement else "removed_only"
        replacement = say(found.replacement.title) if found.replacement else ""
        sentences.append(words[key].format(items=items, title=title, k=found.k, replacement=replacement))
    if found.paths and found.paths[0].effect > 0:
        sentences.append(_of_path(found.paths[0], title, say, words))
    return replace(found, sentences=tuple(sentences) or (words["neutral"].format(title=title, rank=found.rank),))


def _of_path(path: PathReason, title: str, say: Callable[[str], str], words: dict[str, str]) -> str:
    between = path.entities[1:-1]
    relations = words["comma"].join(dict.fromkeys(one.removeprefix("^") for one in path.relations))
    if not between:
        return words["direct"].format(first=say(path.title), title=title, relations=relations)
    if len(between) == 1:
        return words["link"].format(first=say(path.title), title=title, entity=between[0], relations=relations)
    return words["path"].format(first=say(path.title), title=title, entities=words["comma"].join(between))


def _listed(names: list[str], words: dict[str, str]) -> str:
    return words["and"].join(part for part in (words["comma"].join(names[:-1]), names[-1]) if part)
