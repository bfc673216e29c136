"""Adversarial training of tiny_clip: vectors move less under attack, training repeats to the bit, and the file is an encoder."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import torch
from PIL import Image

from mmrec.errors import ConfigError
from mmrec.experiment.encoders.robust_pictures import train_robust
from mmrec.experiment.pretrain import Schedule
from mmrec.files.storage import read_json, write_tensors
from mmrec.nn.attacks.projected_gradient import PictureAttack
from mmrec.nn.encoders.clip import TinyClip
from mmrec.nn.encoders.image import ClipImageEncoder
from mmrec.types import Dataset

SCHEDULE, ATTACK = Schedule(seed=3, epochs=15, batch_size=12, learning_rate=0.001), PictureAttack(epsilon_255=16, steps=2)


def catalogue(folder: Path) -> Dataset:
    """24 pictures of random blocks, with titles."""
    generator = torch.Generator().manual_seed(0)
    for n in range(24):
        blocks = torch.randint(0, 256, (4, 4, 3), generator=generator, dtype=torch.uint8)
        Image.fromarray(blocks.numpy()).resize((64, 64), Image.Resampling.NEAREST).save(folder / f"{n}.png")
    names = [str(n) for n in range(24)]
    items = pl.DataFrame({"item_id": names, "title": names, "image": [f"{n}.png" for n in range(24)]})
    rows = pl.DataFrame({"user_id": ["u"], "item_id": ["0"]})
    return Dataset("blocks", folder, rows, items, ("title",), "image", content_hash="0")


def encoder_of(folder: Path) -> ClipImageEncoder:
    torch.manual_seed(0)
    model = TinyClip(4)
    for parameter in model.parameters():  # far from zero, so that pixels matter
        parameter.data += 0.1 * torch.randn_like(parameter)
    write_tensors(folder / "weights.safetensors", {name: one.contiguous() for name, one in model.state_dict().items()})
    return ClipImageEncoder("tiny_clip", str(folder / "weights.safetensors"), None)


def test_the_training_repeats_and_its_file_is_an_encoder(tmp_path: Path) -> None:
    dataset, encoder, output = catalogue(tmp_path), encoder_of(tmp_path), tmp_path / "robust.safetensors"
    card = train_robust(dataset, encoder, tmp_path, output, SCHEDULE, ATTACK)
    assert card["clean_before"] == pytest.approx(1, abs=1e-4)
    assert float(card["attacked_after"]) > float(card["attacked_before"]) and float(card["clean_after"]) > 0.99
    assert read_json(output.with_suffix(".json")) == card
    robust = ClipImageEncoder("tiny_clip", str(output), None)
    assert robust.fingerprint != encoder.fingerprint and robust.name == "tiny_clip (trained on attacked blocks)"
    short, files = replace(SCHEDULE, epochs=1), [tmp_path / "one.safetensors", tmp_path / "other.safetensors"]
    one, other = (train_robust(dataset, encoder, tmp_path, file, short, ATTACK) for file in files)
    assert one | {"seconds": 0} == other | {"seconds": 0} and files[0].read_bytes() == files[1].read_bytes()


def test_other_encoders_and_files_are_refused(tmp_path: Path) -> None:
    dataset, untrained = catalogue(tmp_path), ClipImageEncoder("tiny_clip", None, None)
    with pytest.raises(ConfigError, match=r"encoders\.image: expected the weights of tiny_clip"):
        train_robust(dataset, untrained, tmp_path, tmp_path / "robust.safetensors", SCHEDULE, ATTACK)
    with pytest.raises(ConfigError, match="output: expected a path"):
        train_robust(dataset, untrained, tmp_path, tmp_path / "robust.pt", SCHEDULE, ATTACK)
