"""Descriptions of the synthetic shop: varied English that states an item's style, use and occasion, among uninformative sentences.

No word names a colour, a pattern, a shape, a material, a brand or anything else that only the pictures or the graph reveal.
"""

import numpy as np

PHRASES = {
    "minimal": (
        "pared-back and understated",
        "clean and uncluttered",
        "quietly simple",
        "reduced to the essentials",
        "sober and restrained",
    ),
    "rustic": ("farmhouse-like and rough-hewn", "warmly countrified", "weathered and homespun", "rustic at heart", "earthy and unpolished"),
    "playful": ("cheerful and a little silly", "whimsical", "full of jokes and surprises", "light-hearted and childlike", "playful"),
    "luxurious": (
        "opulent",
        "lavish and indulgent",
        "made to feel like a grand hotel",
        "luxurious down to the last detail",
        "unashamedly posh",
    ),
    "technical": (
        "precise like an instrument",
        "engineered and functional",
        "high-tech",
        "built to exact tolerances",
        "technical and clever",
    ),
    "nostalgic": (
        "retro",
        "full of memories of the fifties",
        "old-fashioned in the best way",
        "nostalgic",
        "reminiscent of grandmother's attic",
    ),
    "hiking": (
        "long walks in the mountains",
        "hiking trips",
        "days on the trail",
        "backpacking and camping",
        "wandering through the hills",
    ),
    "cooking": ("the kitchen", "cooking for friends", "preparing dinner", "home chefs", "baking and roasting"),
    "office": ("the desk", "long days at the office", "meetings and paperwork", "your workplace", "busy professionals"),
    "music": ("band practice", "listening to records", "musicians", "concerts and rehearsals", "playing an instrument"),
    "gardening": ("the vegetable patch", "gardening", "planting and pruning", "trimming the hedges", "growing your own tomatoes"),
    "fitness": ("the gym", "a hard workout", "running and stretching", "athletes in training", "your daily exercise"),
    "reading": ("a quiet hour with a book", "readers of thick novels", "the library", "reading in bed", "lovers of literature"),
    "gaming": (
        "video games",
        "long gaming sessions",
        "players of online tournaments",
        "the games console",
        "late-night multiplayer matches",
    ),
    "wedding": ("a wedding", "the bride and groom", "newly-weds", "a couple about to marry", "the big day at the altar"),
    "birthday": (
        "a birthday",
        "someone turning thirty",
        "a party with cake and candles",
        "a friend who grows a year older",
        "birthday guests",
    ),
    "holiday": (
        "the Christmas season",
        "the festive days in December",
        "a place under the Christmas tree",
        "holiday stockings",
        "Santa's sack",
    ),
    "graduation": (
        "a graduation",
        "students who passed their exams",
        "the proud new graduate",
        "the end of university",
        "a freshly earned diploma",
    ),
    "everyday": ("any ordinary Tuesday", "no occasion at all", "everyday life", "the daily routine", "treating yourself for no reason"),
    "newborn": ("a newborn baby", "young parents", "a baby shower", "the arrival of an infant", "a christening"),
}
"""Paraphrases of each value of `style`, `use` and `occasion`."""

TEMPLATES = {
    "style": ("The whole thing is {}.", "Its character: {}.", "We would call it {}.", "Reviewers found it {}.", "It comes across as {}."),
    "use": ("Think of {}.", "Made with {} in mind.", "At its best when it comes to {}.", "A companion for {}.", "It is all about {}."),
    "occasion": (
        "A fitting gift for {}.",
        "Many buy it for {}.",
        "It suits {}.",
        "Wrapped up for {}, it never disappoints.",
        "Chosen again and again for {}.",
    ),
}

DISTRACTORS = (
    "Ships within two working days.",
    "Returns are accepted for a month.",
    "The guarantee covers two years.",
    "Comes in a sturdy box with a short manual.",
    "Please see the measurements before ordering.",
    "Customer service answers on weekdays.",
    "Stock is limited and may sell out.",
    "Rated highly by those who own one.",
    "Our team has tested it for several weeks.",
    "Spare parts can be ordered separately.",
    "Wipe with a damp cloth when necessary.",
    "The price includes all taxes.",
)
SYLLABLES = ("va", "lo", "ri", "ne", "ta", "mo", "ke", "su", "di", "pa", "fe", "zu")


def write_description(style: str, use: str, occasion: str, rng: np.random.Generator) -> str:
    """Write one sentence for each attribute and one to three uninformative sentences, in random order."""
    sentences = [
        str(rng.choice(TEMPLATES[group])).format(rng.choice(PHRASES[value]))
        for group, value in (("style", style), ("use", use), ("occasion", occasion))
    ]
    sentences += [str(s) for s in rng.choice(DISTRACTORS, size=rng.integers(1, 4), replace=False)]
    return " ".join(sentences[i] for i in rng.permutation(len(sentences)))


def write_title(rng: np.random.Generator) -> str:
    """Make up an uninformative product name, e.g. `Nerita 407`."""
    name = "".join(str(s) for s in rng.choice(SYLLABLES, size=3))
    return f"{name.capitalize()} {rng.integers(100, 1000)}"
