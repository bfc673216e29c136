"""Pictures are decoded once, mapped from a file afterwards, and decoded again where the file is damaged."""

import io
from pathlib import Path
from unittest.mock import create_autospec

import numpy as np
import pytest
import torch
from PIL import Image

from mmrec.data.features.item_inputs import PictureInputs
from mmrec.data.pictures.prepared import PictureRows
from mmrec.nn.encoders.image import ClipImageEncoder

N_ITEMS, WITHOUT = 5, 3


def png(value: int) -> bytes:
    content = io.BytesIO()
    Image.fromarray(np.full((70, 50, 3), value, dtype=np.uint8)).save(content, format="png")
    return content.getvalue()


@pytest.fixture
def inputs() -> PictureInputs:
    """Items 1 and 4 have the same picture, one has none."""
    raw = [None if item == WITHOUT else png(10 * (item % 3)) for item in range(N_ITEMS)]
    encoder = ClipImageEncoder("tiny_clip", None, None)
    spied = create_autospec(encoder, instance=True)
    spied.prepare.side_effect = encoder.prepare
    return PictureInputs(spied, raw, torch.arange(N_ITEMS) != WITHOUT)


def test_distinct_pictures_are_decoded_once(inputs: PictureInputs, tmp_path: Path) -> None:
    rows = PictureRows.of(inputs, "squash 64", tmp_path)
    assert inputs.encoder.prepare.call_count == 3 and rows.values.shape == (3, 64, 64, 3)  # type: ignore[attr-defined]
    assert [int(picture.float().mean()) for picture in rows.take(torch.tensor([0, 1, 2, 4]))] == [0, 10, 20, 10]
    again = PictureRows.of(inputs, "squash 64", tmp_path)
    assert again.values.equal(rows.values) and again.fingerprint == rows.fingerprint
    assert PictureRows.of(inputs, "squash 64", None).values.equal(rows.values)
    assert inputs.encoder.prepare.call_count == 6  # type: ignore[attr-defined]  # in memory, but not from the file
    assert PictureRows.of(inputs, "crop 64", tmp_path).fingerprint != rows.fingerprint


def test_exchanged_pictures_need_no_decoding(inputs: PictureInputs, tmp_path: Path) -> None:
    rows = PictureRows.of(inputs, "squash 64", tmp_path)
    moved = PictureRows.of(inputs.reordered(torch.tensor([2, 1, 0, 3, 4])), "squash 64", tmp_path)
    assert inputs.encoder.prepare.call_count == 3 and moved.fingerprint != rows.fingerprint  # type: ignore[attr-defined]
    assert moved.take(torch.tensor([0]))[0].equal(rows.take(torch.tensor([2]))[0])


def test_a_damaged_file_is_told_of_and_made_again(inputs: PictureInputs, tmp_path: Path) -> None:
    rows = PictureRows.of(inputs, "squash 64", tmp_path)
    expected = rows.values.clone()
    (path,) = (tmp_path / "decoded_pictures").iterdir()
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[:-4])
    with pytest.warns(UserWarning, match="damaged pictures dropped"):
        assert PictureRows.of(inputs, "squash 64", tmp_path).values.equal(expected)
