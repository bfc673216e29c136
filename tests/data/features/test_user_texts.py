"""Texts about users: from the training part alone, without what is to be predicted from them, and as long as the encoder takes."""

from collections.abc import Sequence

import polars as pl
import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from mmrec.data.features.counterfactual import change_user_texts
from mmrec.data.features.user_template import UserTemplate
from mmrec.data.features.user_texts import UserTextMaker
from mmrec.data.interactions.index import Index
from mmrec.types import Dataset, FeatureEncoder, Features, Interactions

N_ITEMS = 9
TITLES = pl.DataFrame({"item_id": [f"i{n}" for n in range(N_ITEMS)], "title": [f"t{n}" if n != 8 else " " for n in range(N_ITEMS)]})


class Words:
    """An encoder whose tokens are words, which takes `max_length` of them."""

    name, feature_dim, fingerprint = "words", 2, "words"

    def __init__(self, max_length: int) -> None:
        self.max_length = max_length

    def prepare(self, raw: bytes) -> list[str]:
        return raw.decode().split()[: self.max_length]

    def length(self, prepared: list[str]) -> int:
        return len(prepared)

    def encode(self, prepared: list[list[str]]) -> Float[Tensor, "batch 2"]:
        return torch.ones(len(prepared), 2)


def encode(encoder: FeatureEncoder, texts: Sequence[bytes | None]) -> Features:
    present = torch.tensor([text is not None for text in texts])
    values = torch.arange(2 * len(texts), dtype=torch.float32).view(-1, 2)
    return Features(torch.where(present[:, None], values, 0.0), present, "words")


def make(users: pl.DataFrame | None = None, max_length: int = 99, **settings: object) -> tuple[UserTextMaker, Index]:
    """Users a, b and c; c has nothing in the training part."""
    rows = pl.DataFrame({"user_id": ["a", "b", "c"], "item_id": ["i0", "i1", "i2"]})
    dataset = Dataset.from_frames(rows, items=TITLES, users=users)
    index = Index(pl.Series("user_id", ["a", "b", "c"]), TITLES["item_id"])
    return UserTextMaker(UserTemplate(**settings), dataset, index, Words(max_length), encode), index  # type: ignore[arg-type]


def train_of(user: list[int], item: list[int], time: list[int], rating: list[float] | None = None) -> Interactions:
    rated = None if rating is None else torch.tensor(rating)
    return Interactions(torch.tensor(user), torch.tensor(item), torch.tensor(time), rated)


TRAIN = train_of([0, 0, 0, 1, 0, 0], [3, 1, 2, 5, 8, 3], [30, 10, 20, 5, 40, 25], [5.0, 5.0, 1.0, 4.0, 5.0, 1.0])
"""User a has t1, t2, the blank title and t3, newest last, which is rated twice; b has t5."""


def texts_of(maker: UserTextMaker, train: Interactions = TRAIN) -> list[str | None]:
    inputs = maker.make(train).inputs
    return [None if raw is None else raw.decode() for raw in inputs.raw]  # type: ignore[union-attr]


def test_they_name_the_training_part_newest_last_with_the_last_rating() -> None:
    maker, _ = make()
    assert texts_of(maker)[:3] == ["liked t1; t3. disliked t2.", "liked t5.", None]


def test_a_profile_is_a_text_without_a_history_and_blank_values_are_none() -> None:
    maker, _ = make(pl.DataFrame({"user_id": ["c", "a"], "job": ["cook", " "]}))
    assert texts_of(maker)[:3] == ["liked t1; t3. disliked t2.", "liked t5.", "job cook."]


@pytest.mark.parametrize("n_folds", [1, 2, 3])
def test_a_text_names_no_item_of_its_fold_and_all_others(n_folds: int) -> None:
    maker, _ = make(n_folds=n_folds)
    texts, found = maker.make(TRAIN), texts_of(maker)
    assert len(found) == 3 * (1 + n_folds) == len(texts.features.present)
    assert sorted(texts.pairs.tolist()) == texts.pairs.tolist() == [1, 2, 3, 8, N_ITEMS + 5]
    for pair, fold in zip(texts.pairs.tolist(), texts.fold.tolist(), strict=True):
        user, item = divmod(pair, N_ITEMS)
        for of in range(n_folds):
            named = f"t{item}" in (found[3 * (1 + of) + user] or "")
            assert named is (of != fold and item != 8)
    assert texts.features.present.tolist() == [text is not None for text in found]


def test_the_oldest_items_are_left_out_where_the_encoder_takes_fewer_tokens() -> None:
    maker, _ = make(max_length=5)
    long = train_of([0] * 8, list(range(8)), list(range(8)))
    assert texts_of(maker, long)[0] == "liked t5; t6; t7."
    assert texts_of(make(max_items=2)[0], long)[0] == "liked t6; t7."


def test_another_training_part_has_other_texts_and_the_same_is_made_once() -> None:
    maker, _ = make()
    first = maker.make(TRAIN)
    assert maker.make(TRAIN) is first
    assert maker.make(train_of([0], [1], [3])) is not first
    assert texts_of(maker, train_of([0], [4], [3]))[:2] == ["liked t4.", None]


def test_shuffled_users_exchange_their_texts_with_those_of_their_folds() -> None:
    texts = make()[0].make(TRAIN)
    changed = change_user_texts(texts, "shuffled", torch.Generator().manual_seed(0))
    order = [1, 0, 2] if not torch.equal(changed.features.values, texts.features.values) else [0, 1, 2]
    rows = torch.tensor([block * 3 + user for block in range(3) for user in order])
    assert torch.equal(changed.features.values, texts.features.values[rows])
    assert torch.equal(changed.features.present, texts.features.present[rows])
    assert changed.inputs is not None and torch.equal(changed.inputs.present, changed.features.present)
    noise = change_user_texts(texts, "noise", torch.Generator().manual_seed(0))
    assert torch.equal(noise.features.present, texts.features.present)
    with pytest.raises(ValueError, match="expected one of shuffled, noise, found rewired"):
        change_user_texts(texts, "rewired", torch.Generator())
