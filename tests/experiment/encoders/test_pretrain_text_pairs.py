"""`mmrec pretrain pretrain=text_pairs`: titles find their texts, the result is an encoder, and what cannot be is refused."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from omegaconf import DictConfig

from mmrec.cli.pretrain import pretrain_command
from mmrec.data.folder.read import read_folder
from mmrec.errors import ConfigError, DataError
from mmrec.experiment.encoders.pretrain_text_pairs import pretrain_text_pairs
from mmrec.experiment.pretrain import Schedule
from mmrec.files.storage import sha256_file
from mmrec.nn.encoders.text import BertTextEncoder
from mmrec.types import Dataset

SHORT = Schedule(seed=1, epochs=20, batch_size=8, learning_rate=0.01)


@pytest.fixture(scope="module")
def shop(shop_folder: Path) -> Dataset:
    return read_folder(str(shop_folder))


def encoder_of(folder: Path) -> BertTextEncoder:
    return BertTextEncoder("tiny", str(folder), None, "mean", 32, True)


def test_titles_come_close_to_their_texts_and_the_result_is_an_encoder(shop: Dataset, tiny_bert: Path, tmp_path: Path) -> None:
    card = pretrain_text_pairs(shop, encoder_of(tiny_bert), tmp_path / "one", SHORT)
    assert json.loads((tmp_path / "one" / "card.json").read_text()) == card
    assert card["loss"] < card["loss_before"] and card["n_held_out"] == 4 and card["n_pairs"] == 36
    before, after = encoder_of(tiny_bert), encoder_of(tmp_path / "one")
    assert after.prepare(b"lamp no 3") == before.prepare(b"lamp no 3") and after.fingerprint != before.fingerprint
    pretrain_text_pairs(shop, encoder_of(tiny_bert), tmp_path / "two", SHORT)
    assert sha256_file(tmp_path / "one" / "model.safetensors") == sha256_file(tmp_path / "two" / "model.safetensors")


def test_the_command_takes_the_configured_encoder(
    compose: Callable[..., DictConfig], shop_folder: Path, tiny_bert: Path, tmp_path: Path
) -> None:
    words = ["pretrain=text_pairs", "data=folder", f"data.path={shop_folder}", "text_encoder=bert_base", "encoders.text.revision=null"]
    words += [f"encoders.text.path_or_name={tiny_bert}", "encoders.text.max_length=32", f"output={tmp_path / 'encoder'}", "epochs=1"]
    card = pretrain_command(compose(*words, name="pretrain"))
    assert card["encoder"] == "bert_base" and (tmp_path / "encoder" / "model.safetensors").is_file()


def test_too_few_pairs_and_foreign_folders_are_refused(shop: Dataset, tiny_bert: Path, tmp_path: Path) -> None:
    one = replace(shop, text_columns=("title",))
    with pytest.raises(DataError, match=r"expected at least two text columns, title and others, found \['title'\]"):
        pretrain_text_pairs(one, encoder_of(tiny_bert), tmp_path / "out", SHORT)
    few = replace(shop, items=shop.items.with_columns(pl.lit(None, dtype=pl.String).alias(name) for name in shop.text_columns[1:]))
    with pytest.raises(DataError, match=r"expected at least 20 items with a title and another text, found 0"):
        pretrain_text_pairs(few, encoder_of(tiny_bert), tmp_path / "out", SHORT)
    (tmp_path / "mine").mkdir()
    with pytest.raises(ConfigError, match=r"output: .* is there, and not made by `mmrec pretrain`"):
        pretrain_text_pairs(shop, encoder_of(tiny_bert), tmp_path / "mine", SHORT)
