"""Vectors of texts about users beside those of items by an encoder that is trained: which are encoded, and that both are scaled alike."""

from pathlib import Path

import pytest
import torch

from mmrec.data.features.item_inputs import TextInputs
from mmrec.experiment.encoders.tuned import make_tuned_encoder
from mmrec.nn.adapters.tuning import EncoderTraining, Tuning
from mmrec.nn.encoders.text import BertTextEncoder
from mmrec.nn.encoders.tuned import TunedEncoder
from mmrec.nn.user_texts import UserTextVectors
from mmrec.types import Features, UserTexts
from tests.nn.encoders.tiny_transformers import make_encoder

N_ITEMS, N_USERS = 5, 3
KNOWN = torch.tensor([True, True, True, True, False])
ROWS = torch.tensor([N_USERS, N_USERS + 2, N_USERS, 2 * N_USERS])


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> BertTextEncoder:
    return make_encoder(tmp_path_factory.mktemp("bert"))


def encoded(bert: BertTextEncoder, texts: list[bytes | None]) -> tuple[TextInputs, Features]:
    present = torch.tensor([text is not None for text in texts])
    inputs = TextInputs(bert, texts, present)
    values = torch.zeros(len(texts), bert.feature_dim)
    values[present] = bert.encode(inputs.take(present.nonzero().squeeze(1)))
    return inputs, Features(values, present)


def make(bert: BertTextEncoder, most: int | None = None, cache: Path | None = None) -> tuple[TunedEncoder, UserTextVectors]:
    inputs, items = encoded(bert, [f"w{item} w{item + 1}".encode() for item in range(N_ITEMS)])
    of_users, features = encoded(bert, [None if row % N_USERS == 1 else f"w{row} w3 w{row % 4}".encode() for row in range(3 * N_USERS)])
    texts = UserTexts(features, 2, torch.tensor([0, 1]), torch.tensor([0, 1]), of_users)
    encoder = make_tuned_encoder(inputs, items, Tuning("last_n", n_layers=1), EncoderTraining(max_items_per_step=most), cache, texts)
    return encoder, UserTextVectors(texts, items, N_ITEMS)


@pytest.mark.parametrize("item_idx", [None, torch.tensor([1, 3])])
def test_before_training_both_are_as_frozen_and_each_text_is_encoded_once(bert: BertTextEncoder, item_idx: torch.Tensor | None) -> None:
    encoder, vectors = make(bert)
    items, users = vectors.encode(encoder, item_idx, ROWS, KNOWN, torch.Generator())
    shown = torch.arange(N_ITEMS) if item_idx is None else item_idx
    torch.testing.assert_close(items, encoder.frozen[shown], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(users, vectors.values[ROWS], atol=1e-4, rtol=1e-4)
    assert encoder.encodings.n_encoded == int(KNOWN[shown].sum()) + 3
    assert users.requires_grad


def test_the_catalogue_has_items_and_whole_texts_and_users_without_a_text_stay_masked(bert: BertTextEncoder, tmp_path: Path) -> None:
    encoder, vectors = make(bert, cache=tmp_path)
    catalogue = encoder.catalogue()
    assert catalogue.shape == (N_ITEMS + N_USERS, bert.feature_dim)
    torch.testing.assert_close(vectors.centred(catalogue[N_ITEMS:], None), vectors.of_users(), atol=1e-4, rtol=1e-4)
    assert not vectors.of_users()[1].any() and vectors.has_text.tolist() == [True, False, True]
    torch.testing.assert_close(vectors.of_users()[vectors.has_text].mean(dim=0), torch.zeros(bert.feature_dim), atol=1e-5, rtol=0)


def test_a_step_is_bounded_over_items_and_users_together(bert: BertTextEncoder) -> None:
    encoder, vectors = make(bert, most=3)
    vectors.encode(encoder, None, ROWS, KNOWN, torch.Generator().manual_seed(0))
    assert tuple(encoder.encodings) == (3, 4 + 3 - 3)


def test_the_fold_of_an_interaction_and_the_rows_of_a_user(bert: BertTextEncoder) -> None:
    _, vectors = make(bert)
    assert vectors.fold_of(torch.tensor([0, 0]), torch.tensor([1, 0])).tolist() == [1, 0]
    assert vectors.folds(torch.tensor([2, 0])).tolist() == [[5, 8], [3, 6]]
