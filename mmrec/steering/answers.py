"""What a session answers, in English and Chinese: what it understood, what took the place of what, and what can be said."""

import re

from mmrec.steering.critique import Critique, LikenessCritique, NumberCritique, PictureCritique, ValueCritique
from mmrec.steering.grammar import MAX_LENGTH, Unread
from mmrec.steering.vocabulary import Vocabulary

_ENGLISH = {
    "like": "you like {item}",
    "dislike": "you dislike {item}",
    "undo": "undone: {what}",
    "nothing": "there is nothing to undo",
    "more": "more of {column} {value}",
    "less": "less of {column} {value}",
    "no": "nothing of {column} {value}",
    "only": "only {column} {value}",
    "lower": "{column} below {than}",
    "higher": "{column} above {than}",
    "lower=": "{column} at most {than}",
    "higher=": "{column} at least {than}",
    "words+": "more “{words}”",
    "words-": "less “{words}”",
    "alike": "like {item}",
    "picture": "like the picture {item}",
    "wins": "newest critique wins over {what}",
    "none": "no other item is like that; `undo` takes it back",
    "gone": "it was about items that are no longer there",
    "unknown_value": "the items have no “{words}”",
    "unknown_item": "there is no item “{words}”",
    "unknown_words": "nothing is known of “{words}”",
    "no_number": "the items have no numbers for “{words}”",
    "no_number_there": "no “{words}” is known of what this is compared with",
    "too_long": f"a sentence may have {MAX_LENGTH} characters",
    "unread": "“{words}” was not understood",
    "empty": "nothing was said",
    "close": "did you mean {names}?",
    "columns": "numbers are known of {names}",
    "can": "You can say: {examples}.",
    "or": " or ",
    "quote": "“{}”",
}
_CHINESE = {
    "like": "您喜欢{item}",
    "dislike": "您不喜欢{item}",
    "undo": "已撤销：{what}",
    "nothing": "没有可以撤销的内容",
    "more": "多一些{column} {value}",
    "less": "少一些{column} {value}",
    "no": "不要{column} {value}",
    "only": "只要{column} {value}",
    "lower": "{column}低于{than}",
    "higher": "{column}高于{than}",
    "lower=": "{column}不超过{than}",
    "higher=": "{column}至少{than}",
    "words+": "更“{words}”",
    "words-": "少一些“{words}”",
    "alike": "像{item}",
    "picture": "像图片{item}",
    "wins": "以最新的为准，取代：{what}",
    "none": "没有其他符合的物品；“撤销”可以收回",
    "gone": "相关物品已不存在",
    "unknown_value": "物品中没有“{words}”",
    "unknown_item": "没有物品“{words}”",
    "unknown_words": "不了解“{words}”",
    "no_number": "物品没有关于“{words}”的数值",
    "no_number_there": "所比较的物品没有“{words}”",
    "too_long": f"一句话最多{MAX_LENGTH}个字符",
    "unread": "没有理解“{words}”",
    "empty": "什么也没有说",
    "close": "您是指{names}吗？",
    "columns": "有数值的列：{names}",
    "can": "您可以说：{examples}。",
    "or": "或",
    "quote": "《{}》",
}
LANGUAGES = {"en": _ENGLISH, "zh": _CHINESE}
"""The templates by language."""
_HAN = re.compile(r"[\u4e00-\u9fff]")


def language_of(text: str, usual: str) -> str:
    """Return `zh` for a text with Chinese characters, and the usual language for others."""
    return "zh" if _HAN.search(text) else usual


def describe_critique(critique: Critique, vocabulary: Vocabulary, language: str) -> str:
    """Return what a critique says in words."""
    words = LANGUAGES[language]
    if isinstance(critique, ValueCritique):
        return words[critique.kind].format(column=critique.column, value=critique.value)
    if isinstance(critique, NumberCritique):
        kind = f"{'lower' if critique.is_lower else 'higher'}{'=' if critique.or_equal else ''}"
        return words[kind].format(column=critique.column, than=f"{critique.than:.10g}")
    if isinstance(critique, LikenessCritique):
        return words["alike"].format(item=words["quote"].format(vocabulary.title(critique.item_idx)))
    if isinstance(critique, PictureCritique):
        return words["picture"].format(item=critique.name)
    return words["words+" if critique.is_more else "words-"].format(words=critique.words)


def describe_unread(unread: Unread, vocabulary: Vocabulary, language: str) -> str:
    """Return why a sentence was not understood, and what can be said."""
    words = LANGUAGES[language]
    said = words[unread.reason or "unread"].format(words=unread.words)
    if unread.suggestions:
        names = words["or"].join(unread.suggestions)
        return f"{said}; " + words["columns" if unread.reason == "no_number" else "close"].format(names=names)
    return f"{said}. " + words["can"].format(examples=", ".join(examples(vocabulary, language)))


def examples(vocabulary: Vocabulary, language: str) -> list[str]:
    """Return sentences that can be read, about what the items have."""
    is_english = language == "en"
    found = ["like 1", "dislike 2"] if is_english else ["喜欢1", "不喜欢2"]
    groups = [(column, values) for column, values in vocabulary.values.items() if len(values) > 1]
    if groups:
        column, values = min(groups, key=lambda one: len(one[1]))
        found += [f"less of {column} {values[0]}", f"only {values[-1]}"] if is_english else [f"少一点{values[0]}", f"只要{values[-1]}"]
    if vocabulary.numbers:
        found.append(f"lower {vocabulary.numbers[0]}" if is_english else f"更低的{vocabulary.numbers[0]}")
    return [*found, *(("something darker", "like 3 but …", "undo") if is_english else ("更明亮一点", "像3但是…", "撤销"))]
