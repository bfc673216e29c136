"""`mmrec pretrain pretrain=text`: the loss on held-out texts falls, the result is an encoder, and what cannot be is refused."""

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import torch
from omegaconf import DictConfig

from mmrec.cli.pretrain import pretrain_command
from mmrec.data.folder.read import read_folder
from mmrec.errors import ConfigError, DataError
from mmrec.experiment.encoders.pretrain_text import pretrain_text
from mmrec.experiment.pretrain import Schedule
from mmrec.files.storage import sha256_file
from mmrec.nn.encoders.text import BertTextEncoder
from mmrec.types import Dataset

SHORT = Schedule(seed=1, epochs=30, batch_size=8, learning_rate=0.01)


@pytest.fixture(scope="module")
def shop(shop_folder: Path) -> Dataset:
    return read_folder(str(shop_folder))


def encoder_of(folder: Path) -> BertTextEncoder:
    return BertTextEncoder("tiny", str(folder), None, "mean", 32, True)


def test_the_loss_falls_and_the_result_is_an_encoder(shop: Dataset, tiny_bert: Path, tmp_path: Path) -> None:
    card = pretrain_text(shop, encoder_of(tiny_bert), tmp_path / "one", SHORT)
    assert json.loads((tmp_path / "one" / "card.json").read_text()) == card
    assert card["loss"] < card["loss_before"] - 0.3 and card["n_held_out"] == 4 and card["n_texts"] == 36
    before, after = encoder_of(tiny_bert), encoder_of(tmp_path / "one")
    text = before.prepare(b"lamp no 3")
    assert after.prepare(b"lamp no 3") == text and after.fingerprint != before.fingerprint
    assert not torch.allclose(before.encode([text]), after.encode([text]), atol=1e-2)
    assert pretrain_text(shop, encoder_of(tiny_bert), tmp_path / "two", SHORT)["loss"] == card["loss"]
    assert sha256_file(tmp_path / "one" / "model.safetensors") == sha256_file(tmp_path / "two" / "model.safetensors")


def test_the_command_takes_the_configured_encoder(
    compose: Callable[..., DictConfig], shop_folder: Path, tiny_bert: Path, tmp_path: Path
) -> None:
    words = [
        "pretrain=text",
        "data=folder",
        f"data.path={shop_folder}",
        "text_encoder=bert_base",
        "encoders.text.revision=null",
        "epochs=1",
    ]
    words += [f"encoders.text.path_or_name={tiny_bert}", "encoders.text.max_length=32", f"output={tmp_path / 'encoder'}"]
    card = pretrain_command(compose(*words, name="pretrain"))
    assert card["encoder"] == "bert_base" and (tmp_path / "encoder" / "model.safetensors").is_file()


def test_too_few_texts_and_encoders_without_a_mask_are_refused(shop: Dataset, tiny_bert: Path, tmp_path: Path) -> None:
    few = Dataset.from_frames(
        interactions=pl.DataFrame({"user_id": ["a"], "item_id": ["b"]}), items=pl.DataFrame({"item_id": ["b"], "title": ["c"]})
    )
    with pytest.raises(DataError, match=r"expected at least 20 different texts, found [01]"):
        pretrain_text(few, encoder_of(tiny_bert), tmp_path / "out", SHORT)
    encoder = encoder_of(tiny_bert)
    encoder.tokenizer.mask_token = None
    with pytest.raises(ConfigError, match="tiny has no mask token"):
        pretrain_text(shop, encoder, tmp_path / "out", SHORT)
