"""Search queries of the synthetic shop: words for an item's colour, kind, material, style and use, and the item that was clicked.

A query names one to three attributes of an item that its user would like. Each is named by the word of the truth, or by a synonym that no
text, picture or graph contains; some queries are misspelled. The clicked item is drawn from the launched items, with a probability that
grows with the number of named attributes that it has and with its utility for the user.
"""

from typing import cast

import numpy as np
import polars as pl
from jaxtyping import Float

from mmrec.data.sources.demo_shop.world import N_PERIODS, PERIOD_SECONDS, SHARES, START, VALUES, World
from mmrec.data.sources.misspell import misspell
from mmrec.types import ITEM_ID, QUERY, TIMESTAMP, USER_ID

QUERIES_PER_INTERACTION = 0.3
NAMED = ("style", "colour", "property", "shape", "use")
"""The attribute groups that queries name, in the order of the words; `shape` is the kind of a thing, and `property` its material."""
ONE, TWO, THREE = 0.25, 0.45, 0.30
"""How many of them a query names."""
SYNONYM_SHARE, MISSPELLED_SHARE = 0.3, 0.2
MATCH_WEIGHT, UTILITY_WEIGHT = 5.0, 1.5
"""The logit of a click for each named attribute that an item has, and for one unit of utility."""
SYNONYMS = {
    "minimal": ("simple", "plain-looking"),
    "rustic": ("farmhouse", "country"),
    "playful": ("funny", "quirky"),
    "luxurious": ("fancy", "premium"),
    "technical": ("engineered", "professional"),
    "nostalgic": ("vintage", "old-time"),
    "red": ("crimson", "scarlet"),
    "orange": ("tangerine", "apricot"),
    "yellow": ("golden", "lemon"),
    "green": ("emerald", "olive"),
    "cyan": ("turquoise", "teal"),
    "blue": ("navy", "azure"),
    "purple": ("violet", "lilac"),
    "pink": ("rose", "magenta"),
    "annealed": ("tempered", "heat-treated"),
    "braided": ("woven", "plaited"),
    "cured": ("hardened", "aged"),
    "drawn": ("stretched", "wiredrawn"),
    "etched": ("engraved", "carved"),
    "felted": ("matted", "woolly"),
    "disc": ("round", "circular"),
    "square": ("box", "cube"),
    "triangle": ("pyramid", "three-cornered"),
    "flower": ("blossom", "floral"),
    "cross": ("plus", "x-shaped"),
    "ring": ("loop", "hoop"),
    "hiking": ("trekking", "outdoor"),
    "cooking": ("culinary", "chef"),
    "office": ("work", "business"),
    "music": ("audio", "songs"),
    "gardening": ("garden", "plants"),
    "fitness": ("sport", "exercise"),
    "reading": ("books", "bookworm"),
    "gaming": ("gamer", "esports"),
}
_BATCH = 512


def draw_queries(world: World, user_ids: list[str], item_ids: list[str], n: int, rng: np.random.Generator) -> pl.DataFrame:
    """Draw `n` queries with the item that was clicked after each, in order of time.

    Returns:
        `query, item_id, user_id, timestamp, spelling, wording`; `spelling` is `correct` or `misspelled`, and `wording` is `named` or
        `synonym`.
    """
    times = np.sort(START + rng.integers(N_PERIODS * PERIOD_SECONDS, size=n))
    period, users = (times - START) // PERIOD_SECONDS, rng.integers(len(user_ids), size=n)
    values = np.stack([world.attributes[group] for group in NAMED], axis=1)
    is_named = _draw_groups(n, rng)
    utility = cast("np.ndarray", sum(world.utility(part, N_PERIODS - 1) for part in SHARES))
    wanted, clicked = np.zeros(n, np.int64), np.zeros(n, np.int64)
    for start in range(0, n, _BATCH):
        rows = slice(start, start + _BATCH)
        liked = UTILITY_WEIGHT * utility[users[rows]]
        logits = np.where(world.launch_period <= period[rows, None], liked, -np.inf)
        wanted[rows] = _gumbel_argmax(logits, rng)
        for group in range(len(NAMED)):
            has = values[None, :, group] == values[wanted[rows], group][:, None]
            logits = logits + MATCH_WEIGHT * (has & is_named[rows, group][:, None])
        clicked[rows] = _gumbel_argmax(logits, rng)
    texts = [_write(values[item], named, rng) for item, named in zip(wanted, is_named, strict=True)]
    return pl.DataFrame(
        {
            QUERY: [text for text, *_ in texts],
            ITEM_ID: [item_ids[item] for item in clicked],
            USER_ID: [user_ids[user] for user in users],
            TIMESTAMP: times,
            "spelling": [spelling for _, spelling, _ in texts],
            "wording": [wording for *_, wording in texts],
        }
    )


def _draw_groups(n: int, rng: np.random.Generator) -> np.ndarray:
    """Which attribute groups each query names."""
    n_named = rng.choice([1, 2, 3], size=n, p=[ONE, TWO, THREE])
    order = rng.random((n, len(NAMED))).argsort(axis=1).argsort(axis=1)
    named: np.ndarray = order < n_named[:, None]
    return named


def _gumbel_argmax(logits: Float[np.ndarray, "batch n_items"], rng: np.random.Generator) -> np.ndarray:
    """Draw an item for each row from the softmax of its logits."""
    drawn: np.ndarray = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)
    return drawn


def _write(item: np.ndarray, named: np.ndarray, rng: np.random.Generator) -> tuple[str, str, str]:
    """The text of a query for the named attributes of an item, and whether it is misspelled and has a synonym."""
    words, has_synonym = list[str](), False
    for group, value, is_named in zip(NAMED, item, named, strict=True):
        if not is_named:
            continue
        word = VALUES[group][value]
        if rng.random() < SYNONYM_SHARE:
            word, has_synonym = str(rng.choice(SYNONYMS[word])), True
        words.append(f"for {word}" if group == "use" and words else word)
    right = " ".join(words)
    text = misspell(right, rng) if rng.random() < MISSPELLED_SHARE else right
    return text, "correct" if text == right else "misspelled", "synonym" if has_synonym else "named"
