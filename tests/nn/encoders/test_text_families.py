"""Text encoders of several families of transformers, with random weights: pooling at the last token, prompts, and shortened vectors."""

from pathlib import Path

import pytest
import torch
from torch.nn import functional

from mmrec.errors import ConfigError
from mmrec.nn.encoders.text import BertTextEncoder
from tests.nn.encoders.tiny_transformers import DIM, FAMILIES, WORDS, make_encoder, make_network

TEXTS = [b"w1 w2 w3", b"w4", b"lamp w5 w6 w7 w8 chair"]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("pooling", ["mean", "cls", "last"])
def test_vectors_are_those_of_each_text_alone(family: str, pooling: str, tmp_path: Path) -> None:
    encoder = make_encoder(tmp_path, family, pooling)
    prepared = [encoder.prepare(text) for text in TEXTS]
    found, model = encoder.encode(prepared), make_network(family).model
    for ids, vector in zip(prepared, found, strict=True):
        with torch.no_grad():
            states = model(input_ids=torch.tensor([ids])).last_hidden_state[0]
        expected = {"mean": states.mean(dim=0), "cls": states[0], "last": states[-1]}[pooling]
        torch.testing.assert_close(vector, expected, atol=1e-5, rtol=1e-4)
    assert found.shape == (3, encoder.feature_dim) == (3, DIM)


def test_a_prompt_stands_before_each_text_and_is_part_of_the_fingerprint(tmp_path: Path) -> None:
    plain, prompted = make_encoder(tmp_path), make_encoder(tmp_path, prompt="seat warm ")
    ids = [WORDS.index(word) for word in ("[CLS]", "seat", "warm", "w1", "w2", "w3", "[SEP]")]
    assert prompted.prepare(TEXTS[0]) == ids and plain.prepare(TEXTS[0]) == [ids[0], *ids[3:]]
    assert prompted.fingerprint != plain.fingerprint
    with pytest.raises(ValueError, match="blank"):
        prompted.prepare(b" ")


def test_a_shortened_vector_is_scaled_after_it_was_cut(tmp_path: Path) -> None:
    whole, short = make_encoder(tmp_path), make_encoder(tmp_path, dim=5)
    short.normalize = True
    prepared = [whole.prepare(text) for text in TEXTS]
    torch.testing.assert_close(short.encode(prepared), functional.normalize(whole.encode(prepared)[:, :5], dim=1))
    assert short.feature_dim == 5 and short.fingerprint != whole.fingerprint
    with pytest.raises(ConfigError, match=r"encoders.text.dim: .* has vectors of 16 numbers, found 17"):
        _ = make_encoder(tmp_path, dim=17).feature_dim


def test_a_tokenizer_of_another_model_is_refused(tmp_path: Path) -> None:
    make_encoder(tmp_path)
    (tmp_path / "tokenizer.json").unlink(missing_ok=True)
    (tmp_path / "vocab.txt").write_text("\n".join([*WORDS, "more", "words"]) + "\n")
    with pytest.raises(ConfigError, match=r"the tokenizer of .* has 26 tokens, of which its model knows 24"):
        BertTextEncoder("tiny", str(tmp_path), None, max_length=16).network()


def test_positions_that_begin_after_the_padding_leave_room_for_fewer_tokens(tmp_path: Path) -> None:
    make_encoder(tmp_path, "roberta")
    assert BertTextEncoder("tiny", str(tmp_path), None, max_length=39).feature_dim == DIM
    with pytest.raises(ConfigError, match="takes at most 39 tokens, found 40"):
        _ = BertTextEncoder("tiny", str(tmp_path), None, max_length=40).feature_dim
