"""Text encoders against a hand computation, on a BERT of random weights small enough to make here."""

import re
from pathlib import Path

import pytest
import torch
import transformers

from mmrec.data.features.extract import extract_features
from mmrec.errors import ConfigError, MissingFile
from mmrec.nn.encoders.text import BertTextEncoder
from mmrec.nn.encoders.text_network import mean_pool

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "red", "blue", "lamp", "chair", "small"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    target = tmp_path / "bert"
    target.mkdir()
    (target / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    transformers.BertTokenizerFast(vocab=str(target / "vocab.txt")).save_pretrained(target)
    save_model(target, seed=0)
    return target


def save_model(target: Path, seed: int) -> None:
    torch.manual_seed(seed)
    config = transformers.BertConfig(
        vocab_size=len(WORDS), hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16, max_position_embeddings=12
    )
    transformers.BertModel(config).save_pretrained(target)


def encoder(folder: Path, pooling: str = "mean", max_length: int = 12, normalize: bool = False) -> BertTextEncoder:
    return BertTextEncoder("tiny", str(folder), None, pooling, max_length, normalize)


def test_tokens_carry_the_special_ones_and_are_cut(folder: Path):
    assert encoder(folder).prepare(b"Red small LAMP sofa") == [2, 5, 9, 7, 1, 3]
    assert encoder(folder, max_length=4).prepare(b"red small lamp chair") == [2, 5, 9, 3]


@pytest.mark.parametrize("pooling", ["mean", "cls"])
@pytest.mark.parametrize("normalize", [True, False])
def test_pooling_equals_the_hand_computation_and_ignores_padding(folder: Path, pooling: str, normalize: bool):
    tiny = encoder(folder, pooling, normalize=normalize)
    prepared = [tiny.prepare(text) for text in (b"red lamp", b"small blue chair red lamp chair", b"chair")]
    together = tiny.encode(prepared)
    model = transformers.BertModel.from_pretrained(folder).eval()
    for row, ids in zip(together, prepared, strict=True):
        with torch.no_grad():
            states = model(input_ids=torch.tensor([ids])).last_hidden_state[0]  # alone, so without any padding
        expected = states[0] if pooling == "cls" else sum(states) / len(ids)
        torch.testing.assert_close(row, expected / expected.norm() if normalize else expected, atol=1e-5, rtol=1e-4)
    assert together.dtype == torch.float32 and together.shape == (3, tiny.feature_dim)


def test_mean_pool_by_hand():
    states = torch.tensor([[[1.0, 2], [3, 4], [100, 100]], [[5, 6], [7, 8], [0, 1]]])
    mask = torch.tensor([[1, 1, 0], [1, 1, 1]])
    torch.testing.assert_close(mean_pool(states, mask), torch.tensor([[2.0, 3], [4, 5]]))


def test_cached_values_do_not_depend_on_order_or_batch_size(folder: Path, tmp_path: Path):
    texts = [b"red lamp", b"small blue chair red lamp chair", b"chair", b"blue", b"small small lamp"]
    one, _ = extract_features(encoder(folder), texts, tmp_path / "one", 5, "text")
    two, _ = extract_features(encoder(folder), texts[::-1], tmp_path / "two", 2, "text")
    torch.testing.assert_close(one.values, two.values.flip(0), atol=1e-5, rtol=0)


@pytest.mark.parametrize("raw", [b"\xff\xfe", b"", b" \n"])
def test_bytes_that_are_no_text_are_refused(folder: Path, raw: bytes):
    with pytest.raises(ValueError, match=r"utf-8|blank"):
        encoder(folder).prepare(raw)


def test_fingerprint_follows_weights_tokenizer_and_settings(folder: Path):
    first = encoder(folder).fingerprint
    assert first == encoder(folder).fingerprint and re.fullmatch("[0-9a-f]{64}", first)
    assert (
        len(
            {
                first,
                encoder(folder, "cls").fingerprint,
                encoder(folder, max_length=5).fingerprint,
                encoder(folder, normalize=True).fingerprint,
            }
        )
        == 4
    )
    save_model(folder, seed=1)
    other_weights = encoder(folder).fingerprint
    tokenizer = folder / "tokenizer.json"
    tokenizer.write_text(tokenizer.read_text().replace('"lamp"', '"lump"'))
    assert len({first, other_weights, encoder(folder).fingerprint}) == 3


def test_fully_cached_run_loads_no_weights(folder: Path, tmp_path: Path):
    extract_features(encoder(folder), [b"red lamp"], tmp_path, 4, "text")
    tiny = encoder(folder)
    extract_features(tiny, [b"red lamp"], tmp_path, 4, "text")
    assert not {"frozen", "tokenizer"} & vars(tiny).keys()


def test_wrong_arguments_name_the_key(folder: Path, tmp_path: Path):
    with pytest.raises(ConfigError, match=r"pooling: `men`.*did you mean `mean`"):
        encoder(folder, pooling="men")
    with pytest.raises(ConfigError, match="takes at most 12 tokens, found 13"):
        _ = encoder(folder, max_length=13).feature_dim
    with pytest.raises(ConfigError, match=r"full commit hash.*found `main`"):
        BertTextEncoder("x", "google-bert/bert-base-uncased", "main", "mean", 12, True)
    with pytest.raises(MissingFile, match="neither a folder that exists nor a hub id"):
        encoder(tmp_path / "gone" / "deep")
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingFile, match=r"no \*\.safetensors"):
        encoder(tmp_path / "empty")
