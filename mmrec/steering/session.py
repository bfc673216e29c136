"""A dialogue about recommendations: likes, dislikes and critiques, each of which changes the list at once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self, final

import polars as pl
import torch
from jaxtyping import Float
from torch import Tensor

from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.errors import ConfigError, DataError, MmrecError, nearest
from mmrec.metrics.full_ranking import top_k
from mmrec.rerank.chain import Reranking, rerank_scores
from mmrec.rerank.reranker import ItemContent
from mmrec.steering.answers import LANGUAGES, describe_critique, describe_unread, language_of
from mmrec.steering.critique import Critique, NumberCritique, PictureCritique, contradicts
from mmrec.steering.grammar import Situation, Unread, read_sentence
from mmrec.steering.items import Person, SteeredItems
from mmrec.steering.phrases import DISLIKE, LIKE, OPPOSITES, UNDO
from mmrec.steering.steer import Strengths, steered_scores
from mmrec.types import ITEM_ID

MAX_TURNS = 200
"""The number of turns that a session keeps; older ones no longer count."""
_N_SHOWN = 10


@final
@dataclass(frozen=True)
class Turn:
    """What was said in a dialogue, and understood."""

    said: str
    kind: str
    """`like`, `dislike` or `critique`."""
    item_id: str | None = None
    """The item that is liked or disliked."""
    critiques: tuple[Critique, ...] = ()
    answer: str = ""


@final
class Session:
    """A dialogue with one person. It has no network, clock or disk; the same turns give the same list.

        session.dislike("sku-1").critique("something darker").recommend(5)

    Args:
        items: the items of a model.
        person: whom they are recommended to.
        strengths: how much likes, dislikes and critiques count; None: the defaults.
        content: vectors and categories of the items, for `rerank`; None: there are none.
        language: of the answers, `en` or `zh`. What is said in Chinese is answered in Chinese.
    """

    def __init__(
        self,
        items: SteeredItems,
        person: Person,
        strengths: Strengths | None = None,
        content: ItemContent | None = None,
        language: str = "en",
    ) -> None:
        if language not in LANGUAGES:
            raise ConfigError(f"language: expected a language with templates, found `{language}`; {nearest(language, LANGUAGES)}")
        self._items, self._person, self._content = items, person, content
        self._strengths, self._language = strengths or Strengths(), language
        self._turns: tuple[Turn, ...] = ()
        self._shown: tuple[int, ...] = ()
        self._referred: int | None = None
        self._scored: tuple[tuple[Turn, ...], Tensor] | None = None
        self.answer = ""
        """What was understood last, or what can be said."""

    @property
    def turns(self) -> tuple[Turn, ...]:
        """The turns that count, oldest first; what was not understood is not among them."""
        return self._turns

    @property
    def critiques(self) -> tuple[Critique, ...]:
        """The critiques that no newer one contradicts, oldest first."""
        active: list[Critique] = []
        for turn in self._turns:
            for new in turn.critiques:
                active = [*(old for old in active if not contradicts(new, old, OPPOSITES)), new]
        return tuple(active)

    def like(self, item_id: str | int) -> Self:
        """Say that an item is liked, which moves the person's vector as if it was in their history.

        Raises:
            DataError: the item is not among those of the model.
        """
        return self._rate(LIKE, self._idx(item_id), f"like {item_id}")

    def dislike(self, item_id: str | int) -> Self:
        """Say that an item is disliked, which pushes items away that are similar by all evidence.

        Raises:
            DataError: the item is not among those of the model.
        """
        return self._rate(DISLIKE, self._idx(item_id), f"dislike {item_id}")

    def critique(self, words: str = "", picture: bytes | None = None, name: str = "") -> Self:
        """Say what the list should be like: `less of genre Drama`, `cheaper`, `something darker`, `like 2 but newer`, `undo`.

        What cannot be read changes nothing; `answer` then says what can be said.

        Args:
            words: a sentence in English or Chinese.
            picture: instead, the bytes of a picture that items should look like.
            name: of the picture, for the answer.

        Raises:
            MmrecError: pictures cannot be compared with the items, or this one cannot be decoded.
        """
        language = language_of(words, self._language)
        if picture is not None:
            self._items.looks_like(picture)
            return self._take(words or f"picture {name}".strip(), (PictureCritique(picture, name or "…"),), language)
        found = read_sentence(words, self._situation())
        if isinstance(found, Unread):
            self.answer = describe_unread(found, self._items.vocabulary, language)
            return self
        if found.kind == UNDO:
            return self.undo(language)
        if found.kind in (LIKE, DISLIKE):
            assert found.item_idx is not None
            return self._rate(found.kind, found.item_idx, words, language)
        return self._take(words, found.critiques, language)

    def undo(self, language: str | None = None) -> Self:
        """Take back the last turn."""
        texts = LANGUAGES[language or self._language]
        if not self._turns:
            self.answer = texts["nothing"]
            return self
        *kept, last = self._turns
        self._turns, self.answer = tuple(kept), texts["undo"].format(what=last.said)
        return self

    def recommend(self, k: int = 10, rerank: Reranking | None = None) -> pl.DataFrame:
        """Return the k best items as the table `rank, item_id, title, score`, best first.

        Items that the person has had, liked or disliked are left out.

        Args:
            k: the length of the list; it is shorter if critiques exclude all others.
            rerank: methods of `mmrec.rerank` that choose among the best items.

        Raises:
            ConfigError: `k` is below 1, or the items lack what `rerank` needs.
        """
        if k < 1:
            raise ConfigError(f"k: expected at least 1, found {k}")
        scores = self.scores()[None]
        k = min(k, scores.shape[1])
        if not rerank:
            values, found = top_k(scores, k)
        elif self._content is None:
            raise ConfigError("rerank: nothing is known of the items; open the run with its data")
        else:
            values, found = rerank_scores(rerank, scores, self._history(), self._content, k)
        there = values[0] > -torch.inf
        self._shown = tuple(found[0][there].tolist())
        vocabulary = self._items.vocabulary
        return pl.DataFrame(
            {
                "rank": range(1, len(self._shown) + 1),
                ITEM_ID: [vocabulary.item_ids[idx] for idx in self._shown],
                "title": [vocabulary.titles[idx] for idx in self._shown],
                "score": values[0][there].tolist(),
            },
            schema={"rank": pl.Int64, ITEM_ID: pl.String, "title": pl.String, "score": pl.Float64},
        )

    def scores(self) -> Float[Tensor, " n_items"]:
        """Return the scores of all items, -inf for those that are not recommended."""
        if self._scored is not None and self._scored[0] is self._turns:
            return self._scored[1].clone()
        liked, disliked = self._rated()
        scores = steered_scores(self._items, self._person, liked, disliked, self.critiques, self._strengths)
        scores[torch.tensor(sorted({*self._person.seen, *liked, *disliked}), dtype=torch.int64)] = -torch.inf
        self._scored = (self._turns, scores.clone())
        return scores

    def described(self) -> list[str]:
        """Return the critiques that count, in words."""
        return [describe_critique(one, self._items.vocabulary, self._language) for one in self.critiques]

    def _rated(self) -> tuple[list[int], list[int]]:
        """The liked and the disliked items by the newest turn about each."""
        last: dict[int, str] = {}
        for turn in self._turns:
            if turn.item_id is not None:
                idx = self._items.vocabulary.places[turn.item_id]
                last.pop(idx, None)
                last[idx] = turn.kind
        return [idx for idx, kind in last.items() if kind == LIKE], [idx for idx, kind in last.items() if kind == DISLIKE]

    def _rate(self, kind: str, item_idx: int, said: str, language: str | None = None) -> Self:
        texts, vocabulary = LANGUAGES[language or self._language], self._items.vocabulary
        answer = texts[kind].format(item=texts["quote"].format(vocabulary.title(item_idx)))
        item_id = vocabulary.item_ids[item_idx]
        if next((turn.kind for turn in reversed(self._turns) if turn.item_id == item_id), kind) != kind:
            other = texts[DISLIKE if kind == LIKE else LIKE].format(item=texts["quote"].format(vocabulary.title(item_idx)))
            answer = f"{answer}; {texts['wins'].format(what=other)}"
        self._add(Turn(said, kind, item_id, answer=answer))
        self._referred = item_idx
        return self

    def _take(self, said: str, critiques: Sequence[Critique], language: str) -> Self:
        texts, vocabulary = LANGUAGES[language], self._items.vocabulary
        replaced = [old for old in self.critiques if any(contradicts(new, old, OPPOSITES) and not _tightens(new, old) for new in critiques)]
        parts = [describe_critique(one, vocabulary, language) for one in critiques]
        parts += [texts["wins"].format(what=describe_critique(old, vocabulary, language)) for old in replaced]
        self._add(Turn(said, "critique", critiques=tuple(critiques)))
        if not bool((self.scores() > -torch.inf).any()):
            parts.append(texts["none"])
        self._turns = (*self._turns[:-1], replace(self._turns[-1], answer="; ".join(parts)))
        self.answer = self._turns[-1].answer
        return self

    def _add(self, turn: Turn) -> Self:
        before, self._turns = self._turns, (*self._turns, turn)[-MAX_TURNS:]
        try:
            self.scores()  # which are kept for the list
        except MmrecError:
            self._turns = before
            raise
        self.answer = turn.answer
        return self

    def _situation(self) -> Situation:
        if not self._shown:
            self.recommend(_N_SHOWN)
        return Situation(self._items.vocabulary, self._shown, self._referred, self._number, self._has_words)

    def _has_words(self, words: str) -> bool:
        return self._items.matches(words) is not None

    def _number(self, column: str, item_idx: int | None) -> float | None:
        """The number of an item, or the median of the latest list."""
        numbers = self._items.numbers(column)
        known = numbers[torch.tensor(self._shown, dtype=torch.int64)] if item_idx is None else numbers[item_idx : item_idx + 1]
        known = known[~known.isnan()]
        return float(known.median()) if len(known) else None

    def _history(self) -> InteractionMatrix:
        owned = torch.tensor([*self._person.history, *self._rated()[0]], dtype=torch.int64)
        return InteractionMatrix.from_pairs(torch.zeros_like(owned), owned, 1, len(self._items.vocabulary.item_ids))

    def _idx(self, item_id: str | int) -> int:
        places = self._items.vocabulary.places
        found = places.get(str(item_id))
        if found is None:
            raise DataError(f"item: `{item_id}` is not among the items; {nearest(str(item_id), places)}")
        return found


def _tightens(new: Critique, old: Critique) -> bool:
    """Whether a critique asks for the same as an older one, or more of it, so that they do not contradict each other."""
    if isinstance(new, NumberCritique) and isinstance(old, NumberCritique):
        return new.is_lower == old.is_lower
    return new == old
