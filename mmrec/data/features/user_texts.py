"""Make the texts about users from a training part, whole and by fold, and encode them as the texts of items are encoded."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import polars as pl
import torch
from jaxtyping import Int64
from torch import Tensor

from mmrec.data.features.counterfactual import change_user_texts
from mmrec.data.features.item_inputs import TextInputs
from mmrec.data.features.texts import item_texts
from mmrec.data.features.user_template import UserTemplate
from mmrec.data.interactions.index import Index
from mmrec.types import USER_ID, Dataset, FeatureEncoder, Features, Interactions, UserTexts

_STEP = 0.8
"""The factor by which the items of a text are reduced until the encoder takes all of its tokens."""
Encode = Callable[[FeatureEncoder, list[bytes | None]], Features]


class UserTextMaker:
    """Describes the users of a dataset by a template and encodes the texts; those of one training part are kept.

    Args:
        template: the template.
        dataset: the data, with titles of items and columns of users.
        index: of its users and items.
        encoder: the encoder of the items' texts.
        encode: encodes texts, with a cache.
        change: None, or a change of `mmrec.data.features.counterfactual`.
        seed: of the change.
    """

    def __init__(
        self,
        template: UserTemplate,
        dataset: Dataset,
        index: Index,
        encoder: FeatureEncoder,
        encode: Encode,
        change: str | None = None,
        seed: int = 0,
    ) -> None:
        self.template, self.encoder, self.encode, self.change, self.seed = template, encoder, encode, change, seed
        self.n_users, self.n_items = index.n_users, index.n_items
        self.titles = _titles(dataset, index)
        self.profiles = _profiles(dataset, index)
        self._last: tuple[Interactions, UserTexts] | None = None

    def make(self, train: Interactions) -> UserTexts:
        """The texts of all users and folds from the rows of a training part, newest last; of repeated pairs only the last row counts."""
        if self._last is not None and _same(self._last[0], train):
            return self._last[1]
        user, item, rating, fold = self._ordered(train)
        n_folds = self.template.n_folds
        texts: list[bytes | None] = []
        for without in range(-1, n_folds):
            kept = fold != without
            counts = torch.bincount(user[kept], minlength=self.n_users).tolist()
            of_user, of_rating = item[kept].split(counts), rating[kept].split(counts)
            texts += [self._describe(row, one.tolist(), of_rating[row].tolist()) for row, one in enumerate(of_user)]
        features = self.encode(self.encoder, texts)
        keys = user * self.n_items + item
        order = keys.argsort()
        made = UserTexts(features, n_folds, keys[order], fold[order], TextInputs(self.encoder, texts, features.present))
        if self.change is not None:
            made = change_user_texts(made, self.change, torch.Generator().manual_seed(self.seed))
        self._last = train, made
        return made

    def _ordered(self, train: Interactions) -> tuple[Int64[Tensor, " n"], Int64[Tensor, " n"], Tensor, Int64[Tensor, " n"]]:
        """Users, items, ratings and folds of the distinct pairs, by user and time; folds alternate."""
        order = torch.argsort(train.item_idx, stable=True)
        for key in (train.timestamp, train.user_idx):
            if key is not None:
                order = order[torch.argsort(key[order], stable=True)]
        keys = train.user_idx[order] * self.n_items + train.item_idx[order]
        distinct, place = torch.unique(keys, return_inverse=True)
        last = torch.zeros_like(distinct).scatter_reduce_(0, place, torch.arange(len(keys)), "amax", include_self=False)
        order = order[last.sort().values]
        user, item = train.user_idx[order], train.item_idx[order]
        rating = torch.full((len(order),), torch.nan) if train.rating is None else train.rating[order]
        counts = torch.bincount(user, minlength=self.n_users)
        position = torch.arange(len(user)) - (counts.cumsum(0) - counts)[user]
        return user, item, rating, position % self.template.n_folds

    def _describe(self, user: int, items: Sequence[int], ratings: Sequence[float]) -> bytes | None:
        """The text of a user with as many of their newest items as the encoder can take."""
        rated = [(self.titles[item], None if math.isnan(rating) else rating) for item, rating in zip(items, ratings, strict=True)]
        known = [(title, rating) for title, rating in rated if title is not None]
        most = getattr(self.encoder, "max_length", None)
        n = min(len(known), self.template.max_items)
        while True:
            shown = known[len(known) - n :]
            text = self.template.render([title for title, _ in shown], [rating for _, rating in shown], self.profiles[user])
            raw = None if text is None else text.encode()
            if raw is None or n <= 1 or most is None or self.encoder.length(self.encoder.prepare(raw)) < most:
                return raw
            n = int(n * _STEP)


def _titles(dataset: Dataset, index: Index) -> list[str | None]:
    """The titles of all items, in the first text column."""
    return [None if raw is None else raw.decode() for raw in item_texts(index.align(dataset.items), dataset.text_columns[:1])]


def _profiles(dataset: Dataset, index: Index) -> list[dict[str, Any]]:
    """The columns of every user by name."""
    if dataset.users is None:
        return [{} for _ in range(index.n_users)]
    users = index.user_ids.to_frame().join(dataset.users, on=USER_ID, how="left", maintain_order="left")
    return users.drop(USER_ID).with_columns(pl.col(pl.String).str.strip_chars().replace("", None)).to_dicts()


def _same(one: Interactions, other: Interactions) -> bool:
    """Whether two training parts give the same texts."""
    for name in ("user_idx", "item_idx", "timestamp", "rating"):
        a, b = getattr(one, name), getattr(other, name)
        if (a is None) != (b is None) or (a is not None and not torch.equal(a.nan_to_num(), b.nan_to_num())):
            return False
    return True
