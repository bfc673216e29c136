"""The scores of a session: those of the model, moved by likes, dislikes and critiques."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mmrec.steering.critique import (
    LESS,
    MORE,
    NO,
    Critique,
    LikenessCritique,
    NumberCritique,
    PictureCritique,
    ValueCritique,
    WordsCritique,
)
from mmrec.steering.items import Person, SteeredItems


@final
@dataclass(frozen=True)
class Strengths:
    """How much each kind of feedback counts, in standard deviations of the model's scores.

    All defaults but `alike` were chosen on simulated users of the generated shop other than those reported, see `docs/steering.md`.
    """

    like: float = 0.0
    """Of the similarity to a liked item, beside the move of the user's vector by the model itself."""
    dislike: float = 0.5
    """Of the similarity to a disliked item."""
    value: float = 0.5
    """Of a value that there is to be more or less of."""
    words: float = 0.5
    """Of the match with words."""
    alike: float = 2.0
    """Of the similarity to an item or a picture that the list is to be like."""


def steered_scores(
    items: SteeredItems,
    person: Person,
    liked: Sequence[int],
    disliked: Sequence[int],
    critiques: Sequence[Critique],
    strengths: Strengths | None = None,
) -> Float[Tensor, " n_items"]:
    """Compute the scores of all items, -inf for those that critiques exclude.

    Args:
        items: the items.
        person: whom they are for.
        liked: the liked items, oldest first.
        disliked: the disliked items, oldest first.
        critiques: those that no newer one contradicts, oldest first.
        strengths: how much each counts; None: the defaults.
    """
    strengths = strengths or Strengths()
    base = scores = standardized(person.scores(liked))
    for item_idx in liked:
        scores = scores + strengths.like * beside(items.similarities(item_idx), base)
    for item_idx in disliked:
        scores = scores - strengths.dislike * beside(items.similarities(item_idx), base)
    for critique in critiques:
        scores = scores + _shift(items, critique, strengths)
    return scores.masked_fill(~allowed_items(items, critiques), -torch.inf)


def allowed_items(items: SteeredItems, critiques: Sequence[Critique]) -> Bool[Tensor, " n_items"]:
    """Return which items fulfil all critiques that exclude: nothing or only of a value, and numbers."""
    allowed = torch.ones(len(items.vocabulary.item_ids), dtype=torch.bool)
    for critique in critiques:
        if isinstance(critique, NumberCritique):
            numbers = items.numbers(critique.column)
            beyond = numbers < critique.than if critique.is_lower else numbers > critique.than
            allowed = allowed & (beyond | (numbers == critique.than) if critique.or_equal else beyond)
        elif isinstance(critique, ValueCritique) and critique.kind not in (MORE, LESS):
            there = items.with_value(critique.column, critique.value)
            allowed = allowed & (~there if critique.kind == NO else there)
    return allowed


def standardized(values: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """Scale numbers to mean 0 and standard deviation 1; zeros if they are all equal."""
    deviation = values.std(correction=0)
    return torch.zeros_like(values) if deviation <= 0 else (values - values.mean()) / deviation


def beside(similarities: Float[Tensor, " n"], base: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """The part of standardized similarities that is uncorrelated with the scores of the person.

    Every item of a list is similar to what its reader likes. What one of them says beyond that is what is left.

    Args:
        similarities: to an item.
        base: the scores of the person, standardized.
    """
    found = standardized(similarities)
    return found - (found * base).mean() * base


def _shift(items: SteeredItems, critique: Critique, strengths: Strengths) -> Float[Tensor, " n_items"] | float:
    if isinstance(critique, ValueCritique) and critique.kind in (MORE, LESS):
        sign = 1 if critique.kind == MORE else -1
        return sign * strengths.value * items.with_value(critique.column, critique.value).float()
    if isinstance(critique, WordsCritique):
        found = items.matches(critique.words)
        return 0.0 if found is None else (1 if critique.is_more else -1) * strengths.words * found
    if isinstance(critique, LikenessCritique):
        return strengths.alike * standardized(items.similarities(critique.item_idx))
    if isinstance(critique, PictureCritique):
        return strengths.alike * standardized(items.looks_like(critique.picture))
    return 0.0
