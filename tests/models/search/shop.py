"""A small world of queries: red and blue lamps and chairs, of which texts say the kind alone, and clicks the colour."""

import torch
import torch.nn.functional as F

from mmrec.types import DatasetSpec, Features, Interactions, Queries

N_ITEMS, WIDTH = 24, 16
WORDS = ("lamp", "chair", "red", "blue")
VECTORS = F.normalize(torch.randn(len(WORDS), WIDTH, generator=torch.Generator().manual_seed(0)), dim=1)
QUERIES = ("lamp", "chair", "red lamp", "blue lamp", "red chair", "blue chair", "red", "blue", "lanp", "bluee chair")


def kind_of(item: int) -> int:
    """0 for lamps, 1 for chairs."""
    return item % 2


def colour_of(item: int) -> int:
    """0 for red, 1 for blue."""
    return item // 2 % 2


def vector_of(text: str) -> torch.Tensor:
    """The sum of the vectors of the known words of a text."""
    return sum((VECTORS[WORDS.index(word)] for word in text.split() if word in WORDS), torch.zeros(WIDTH))


def clicked(query: str) -> list[int]:
    """The items that a query means."""
    words = query.replace("lanp", "lamp").replace("bluee", "blue").split()
    kinds = [kind for kind, word in enumerate(("lamp", "chair")) if word in words] or [0, 1]
    colours = [colour for colour, word in enumerate(("red", "blue")) if word in words] or [0, 1]
    return [item for item in range(N_ITEMS) if kind_of(item) in kinds and colour_of(item) in colours]


def search_spec(trained: tuple[str, ...] = QUERIES[:8], with_texts: bool = True) -> DatasetSpec:
    """The specification with the clicks of some queries; the interactions of two people say nothing."""
    rows = [(QUERIES.index(query), item) for query in trained for item in clicked(query)]
    user, item = (torch.tensor(column) for column in zip(*rows, strict=True))
    names = tuple(f"{WORDS[kind_of(one)]} no {one}" if with_texts and one else "" for one in range(N_ITEMS))
    values = torch.stack([vector_of(name) for name in names])
    asked = Features(torch.stack([vector_of(query) for query in QUERIES]), torch.ones(len(QUERIES), dtype=torch.bool), "words")
    people = Interactions(torch.arange(2).repeat_interleave(N_ITEMS), torch.arange(N_ITEMS).repeat(2))
    queries = Queries(QUERIES, asked, names, people, 2)
    features = {"text": Features(values, torch.tensor([bool(name) for name in names]), "words")} if with_texts else {}
    return DatasetSpec(len(QUERIES), N_ITEMS, Interactions(user, item), features, queries=queries)
