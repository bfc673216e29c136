"""`mmrec pretrain` on the small shop: what it writes, that the encoder finds it, and its errors."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import fsspec
import pytest
import torch
from omegaconf import DictConfig

from mmrec.cli import pretrain as module
from mmrec.cli.pretrain import pretrain_command
from mmrec.data.folder.read import read_folder
from mmrec.data.pictures.pairs import squash
from mmrec.errors import ConfigError, DataError
from mmrec.experiment.pretrain import Schedule, pretrain
from mmrec.files.storage import sha256_file
from mmrec.nn.encoders.clip import TINY_CLIP
from mmrec.nn.encoders.image import ClipImageEncoder
from mmrec.nn.encoders.text import BertTextEncoder
from mmrec.types import Dataset

ONCE = Schedule(seed=1, epochs=1, batch_size=16, learning_rate=1e-3)


@pytest.fixture(scope="module")
def shop(shop_folder: Path) -> Dataset:
    return read_folder(str(shop_folder))


@pytest.fixture(scope="module")
def text_encoder(tiny_bert: Path) -> BertTextEncoder:
    return BertTextEncoder("tiny_bert", str(tiny_bert), None, "mean", 32, True)


def test_weights_and_card_are_written_and_the_encoder_finds_them(shop: Dataset, text_encoder: BertTextEncoder, tmp_path: Path):
    output = tmp_path / "clip" / "weights.safetensors"
    card = pretrain(shop, text_encoder, tmp_path / "cache", output, ONCE)
    assert json.loads(output.with_suffix(".json").read_text()) == card
    assert card["data_hash"] == shop.content_hash and card["n_pairs"] == 36 and card["n_held_out"] == 4
    assert card["text_encoder"] == "tiny_bert" and card["text_encoder_fingerprint"] == text_encoder.fingerprint
    assert card["chance"] == 1 and 0 <= card["image_to_text_recall@10"] <= 1
    encoder = ClipImageEncoder(TINY_CLIP, str(output), None)
    assert encoder.name == f"tiny_clip (trained on {shop.name})"
    features = encoder.encode([encoder.prepare((shop.root / "i0.jpg").read_bytes())])
    untrained = ClipImageEncoder(TINY_CLIP, None, None)
    assert not torch.allclose(features, untrained.encode([untrained.prepare((shop.root / "i0.jpg").read_bytes())]), atol=1e-3)


def test_same_seed_gives_the_same_bytes(shop: Dataset, text_encoder: BertTextEncoder, tmp_path: Path):
    outputs = [tmp_path / name for name in ("one.safetensors", "two.safetensors")]
    for output in outputs:
        pretrain(shop, text_encoder, tmp_path / "cache", output, ONCE)
    assert sha256_file(outputs[0]) == sha256_file(outputs[1])


def test_training_and_encoding_see_the_same_picture(shop: Dataset):
    raw = (shop.root / "i0.jpg").read_bytes()
    encoder = ClipImageEncoder(TINY_CLIP, None, None)
    size, mean, std = (encoder.preprocessing[key] for key in ("size", "mean", "std"))
    normalised = (squash(raw, size) / 255 - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    torch.testing.assert_close(encoder.normalize([encoder.prepare(raw)])[0], normalised)


def test_too_few_pairs_or_a_wrong_output_are_errors(shop: Dataset, text_encoder: BertTextEncoder, tmp_path: Path):
    few = Dataset(shop.name, shop.root, shop.interactions, shop.items.head(9), shop.text_columns, shop.image_column)
    with pytest.raises(DataError, match="at least 20 items with a picture and a text, found 8"):
        pretrain(few, text_encoder, tmp_path, tmp_path / "w.safetensors", ONCE)
    with pytest.raises(ConfigError, match=r"ends in \.safetensors"):
        pretrain(shop, text_encoder, tmp_path, tmp_path / "w.pt", ONCE)


def test_pictures_and_features_come_from_stores_as_for_train(
    shop_folder: Path, text_encoder: BertTextEncoder, compose: Callable[..., DictConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The same weights to the byte; and a second machine, with an empty cache, encodes no text."""
    folder, memory = tmp_path / shop_folder.name, fsspec.filesystem("memory")
    shutil.copytree(shop_folder, folder, ignore=shutil.ignore_patterns("*.jpg"))
    for path in shop_folder.glob("*.jpg"):
        memory.pipe_file(f"/pretrain/pictures/{path.name}", path.read_bytes())
    encoded = []
    encode = text_encoder.encode
    monkeypatch.setattr(text_encoder, "encode", lambda prepared: encoded.append(len(prepared)) or encode(prepared))
    monkeypatch.setattr(module, "minilm", lambda cache, max_length: text_encoder)

    def weights(name: str, *overrides: str) -> str:
        settings = (f"paths.cache={tmp_path / name}", f"output={tmp_path / name / 'w.safetensors'}", "epochs=1", "batch_size=16")
        pretrain_command(compose("data=folder", *settings, *overrides, name="pretrain"))
        return sha256_file(tmp_path / name / "w.safetensors")

    stores = "data.pictures=memory://pretrain/pictures", "features.store=memory://pretrain/features"
    here = weights("a", f"data.path={shop_folder}")
    assert weights("b", f"data.path={folder}", *stores) == here and len(encoded) == 2
    assert weights("c", f"data.path={folder}", *stores) == here and len(encoded) == 2
    assert len(memory.glob("/pretrain/features/*/*")) == 2
    memory.rm("/pretrain", recursive=True)


def test_a_store_that_cannot_be_is_one_message_before_anything_is_encoded(shop_folder: Path, compose: Callable[..., DictConfig]):
    chosen = ["data=folder", f"data.path={shop_folder}", "features.store=s4://x"]
    with pytest.raises(ConfigError, match=r"features.store: there is no protocol `s4`"):
        pretrain_command(compose(*chosen, name="pretrain"))
