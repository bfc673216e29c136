"""The phrases that a dialogue reads, in English and Chinese. `{x}` is a value, number or words; `{item}` an item; `{rest}` a critique."""

import re

from mmrec.steering.critique import LESS, MORE, NO, ONLY

LIKE, DISLIKE, UNDO, ALIKE, BUT = "like", "dislike", "undo", "alike", "but"
LOWER, HIGHER, BELOW, ABOVE, AT_MOST, AT_LEAST = "lower", "higher", "below", "above", "at_most", "at_least"

PHRASES: dict[str, tuple[str, ...]] = {
    UNDO: ("undo", "undo that", "take that back", "go back", "back", "撤销", "撤回", "取消上一步"),
    BUT: (
        *("like {item} but {rest}", "like {item}, but {rest}", "something like {item} but {rest}", "similar to {item} but {rest}"),
        *("像{item}但是{rest}", "像{item}但{rest}", "和{item}类似但{rest}"),
    ),
    ALIKE: (
        *("more like {item}", "something like {item}", "similar to {item}", "something similar to {item}", "more of the same as {item}"),
        *("类似{item}", "和{item}类似", "像{item}一样", "更像{item}"),
    ),
    DISLIKE: (
        *("dislike {item}", "i dislike {item}", "i don't like {item}", "don't like {item}", "i do not like {item}", "hate {item}"),
        *("i hate {item}", "not {item}", "no to {item}", "不喜欢{item}", "我不喜欢{item}", "讨厌{item}"),
    ),
    LIKE: ("like {item}", "i like {item}", "love {item}", "i love {item}", "yes to {item}", "喜欢{item}", "我喜欢{item}"),
    BELOW: (
        *("{x} below {n}", "{x} under {n}", "{x} less than {n}", "{x} before {n}", "below {n}", "under {n}"),
        "{x}低于{n}",
    ),
    ABOVE: (
        *("{x} above {n}", "{x} over {n}", "{x} more than {n}", "{x} after {n}", "above {n}", "over {n}"),
        "{x}高于{n}",
    ),
    AT_MOST: ("{x} at most {n}", "at most {n}", "{x}不超过{n}"),
    AT_LEAST: ("{x} at least {n}", "at least {n}", "{x}至少{n}"),
    LOWER: ("lower {x}", "a lower {x}", "smaller {x}", "{x} lower than {item}", "更低的{x}", "{x}低一点"),
    HIGHER: ("higher {x}", "a higher {x}", "larger {x}", "{x} higher than {item}", "更高的{x}", "{x}高一点"),
    NO: (
        *("no {x}", "no more {x}", "not another {x}", "not {x}", "without {x}", "nothing {x}", "nothing with {x}", "none of {x}"),
        *("never {x}", "anything but {x}", "不要{x}", "不要再来{x}", "不要再有{x}", "别再{x}", "没有{x}", "不看{x}"),
    ),
    ONLY: ("only {x}", "just {x}", "nothing but {x}", "only show {x}", "只要{x}", "只看{x}", "仅{x}"),
    LESS: (
        *("less {x}", "less of {x}", "fewer {x}", "not so {x}", "not so much {x}", "not as {x}", "not too {x}", "too {x}", "too much {x}"),
        *(
            "less {x} than {item}",
            "too many {x}",
            "少一点{x}",
            "少点{x}",
            "少些{x}",
            "少一些{x}",
            "不那么{x}",
            "别太{x}",
            "太{x}",
            "不要太{x}",
            "不太{x}",
            "{x}太多",
        ),
    ),
    MORE: (
        *("more {x}", "more of {x}", "something {x}", "something more {x}", "some {x}", "some more {x}", "rather {x}", "anything {x}"),
        *(
            "with more {x}",
            "a bit more {x}",
            "a bit {x}",
            "{x} than {item}",
            "something {x} than {item}",
            "more {x} than {item}",
            "多一点{x}",
            "多点{x}",
            "多些{x}",
            "多一些{x}",
            "多来点{x}",
        ),
        *("来点{x}", "来些{x}", "更{x}一点", "更{x}一些", "更{x}", "再{x}一点", "{x}一点", "{x}一些"),
    ),
}
"""By what they mean. Longer ones are tried first."""

POLITE = (
    *("please", "show me", "give me", "i want", "i'd like", "i would like", "can i have", "could you show me", "how about", "maybe"),
    *("请", "我想要", "我想看", "给我", "来一个", "能不能"),
)
"""What a sentence may begin with."""
ENDINGS = ("please", "instead", "的", "了", "吧", "吗")
"""What a sentence may end with."""
JOINT = re.compile(r"( and | but |, |; |,(?!\d)|;|但是)")
"""What stands between several critiques."""
CONTRASTS = ("but", "但是")
"""After these, a value alone is wished for."""
THIS = ("this", "it", "this one", "that", "that one", "these", "这个", "那个", "它")
"""What stands for the item that was mentioned last, or the first of the list."""
FIRST = {"first": 1, "second": 2, "third": 3, "last": -1}

_PRICES = ("price", "cost", "msrp", "价格", "价钱")
_DATES = ("year", "release_year", "published", "publication_year", "release_date", "date", "年份", "年代")
_LENGTHS = ("duration", "runtime", "length", "minutes", "pages", "n_pages", "时长", "长度", "页数")
ADJECTIVES: dict[str, tuple[tuple[str, ...], bool]] = {
    **dict.fromkeys(("cheap", "cheaper", "affordable", "inexpensive", "便宜"), (_PRICES, True)),
    **dict.fromkeys(("expensive", "pricey", "pricier", "costly", "dearer", "贵"), (_PRICES, False)),
    **dict.fromkeys(("new", "newer", "recent", "modern", "新"), (_DATES, False)),
    **dict.fromkeys(("old", "older", "旧", "老"), (_DATES, True)),
    **dict.fromkeys(("long", "longer", "长"), (_LENGTHS, False)),
    **dict.fromkeys(("short", "shorter", "短"), (_LENGTHS, True)),
}
"""By adjective, the columns that it may be about, and whether more of it is a lower number."""

_OPPOSITES = (
    *("dark bright", "dark light", "light heavy", "funny serious", "calm exciting", "quiet loud", "simple complex", "warm cold"),
    *("soft hard", "big small", "large small", "colourful plain", "colorful plain", "fast slow", "happy sad", "scary cute"),
    *("classic modern", "elegant rustic", "sweet bitter", "thin thick", "黑暗 明亮", "轻松 严肃", "大 小", "快乐 悲伤", "安静 吵闹"),
)
OPPOSITES = frozenset(frozenset(pair.split()) for pair in _OPPOSITES)
"""Pairs of words of which the newer one takes the place of the older."""
_IRREGULAR = {"happier": "happy", "sadder": "sad", "funnier": "funny", "scarier": "scary", "bigger": "big", "thinner": "thin"}
_BASES = {word for pair in OPPOSITES for word in pair}


def base_form(word: str) -> str:
    """Return the base of an English comparative of the table, `dark` for `darker`, and other words as they are."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    return next((base for base in (word.removesuffix("er"), word.removesuffix("r")) if base != word and base in _BASES), word)


def is_adjective(word: str) -> bool:
    """Return whether a word alone is a critique: an adjective that has an opposite."""
    return base_form(word) in _BASES
