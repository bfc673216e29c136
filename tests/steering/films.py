"""Six films with genres, years and prices, whose vectors are their genres, and somebody who likes them in that order."""

from collections.abc import Sequence

import torch
from torch import Tensor

from mmrec.errors import ConfigError
from mmrec.steering.session import Session
from mmrec.steering.vocabulary import Vocabulary

TITLES = ["Alien", "Brazil", "Clue", "Diner", "Evita", "Fargo"]
GENRES = [{"Horror", "Sci-Fi"}, {"Sci-Fi", "Drama"}, {"Comedy"}, {"Comedy", "Drama"}, {"Drama"}, {"Comedy", "Horror"}]
YEARS = [1979.0, 1985.0, 1985.0, 1982.0, float("nan"), 1996.0]
PRICES = [12.5, 9.99, 5.0, 7.5, 3.0, 20.0]
DARK = [3.0, 2.0, 0.0, 0.5, 0.0, 2.5]
NAMES = ("Comedy", "Drama", "Horror", "Sci-Fi")


class Films:
    """As `mmrec.steering.SteeredItems`."""

    vocabulary = Vocabulary([f"f{n}" for n in range(1, 7)], TITLES, {"genre": NAMES, "is_sequel": ("true",)}, ("price", "year"))

    def similarities(self, item_idx: int) -> Tensor:
        units = torch.tensor([[float(name in genres) for name in NAMES] for genres in GENRES])
        units = torch.nn.functional.normalize(units, dim=1)
        return units @ units[item_idx]

    def with_value(self, column: str, value: str) -> Tensor:
        return torch.tensor([value in genres if column == "genre" else False for genres in GENRES])

    def numbers(self, column: str) -> Tensor:
        return torch.tensor({"price": PRICES, "year": YEARS}[column], dtype=torch.float64)

    def matches(self, words: str) -> Tensor | None:
        dark = torch.tensor(DARK)
        return {"dark": dark, "bright": -dark, "violent": dark, "sequel": dark, "黑暗": dark}.get(words)

    def looks_like(self, picture: bytes) -> Tensor:
        if picture != b"dark":
            raise ConfigError("picture: it cannot be used")
        return torch.tensor(DARK)


class Viewer:
    """As `mmrec.steering.Person`: films in alphabetical order; a liked one lifts what is alike."""

    def __init__(self, seen: Sequence[int] = (), likes: float = 1.0) -> None:
        self.seen, self.history, self.likes = frozenset(seen), list(seen), likes

    def scores(self, liked: Sequence[int]) -> Tensor:
        base = torch.linspace(1, 0, len(TITLES))
        return base + self.likes * sum((Films().similarities(one) for one in liked), torch.zeros(len(TITLES)))


def began(seen: Sequence[int] = (), **settings: str) -> Session:
    return Session(Films(), Viewer(seen), **settings)


def titles(session: Session, k: int = 6) -> list[str]:
    return list(session.recommend(k)["title"])
