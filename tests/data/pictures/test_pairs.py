"""Picture and text pairs: who has both, and the division into training and held-out rows."""

import io
from pathlib import Path

import polars as pl
import pytest
import torch
from PIL import Image

from mmrec.data.pictures.pairs import hold_out, read_pairs, squash
from mmrec.types import Dataset


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    for name, colour in (("a.png", "red"), ("c.png", "lime"), ("d.png", "blue")):
        Image.new("RGB", (40, 20), colour).save(tmp_path / name)
    (tmp_path / "bad.png").write_bytes(b"no picture")
    items = pl.DataFrame(
        {
            "item_id": ["1", "2", "3", "4", "5"],
            "title": ["Heat", "None", "Up", "Bad", None],
            "genre": ["Crime", "x", None, "x", None],
            "plot": ["Cops.", "x", "A house.", "x", None],
            "image": ["a.png", None, "c.png", "bad.png", "d.png"],
        }
    )
    return Dataset("films", tmp_path, pl.DataFrame(), items, ("title", "genre", "plot"), "image")


def test_pairs_are_the_items_with_both(dataset: Dataset):
    pairs, problems = read_pairs(dataset, 8, dataset.root / "cache")
    assert pairs.texts == [b"Heat. Crime. Cops.", b"Up. A house."]
    assert pairs.pictures.shape == (2, 3, 8, 8)
    assert pairs.pictures[:, :, 4, 4].tolist() == [[255, 0, 0], [0, 255, 0]]
    assert [problem.position for problem in problems] == [3]


def test_caption_takes_the_place_of_the_text_columns(dataset: Dataset):
    items = dataset.items.with_columns(caption=pl.Series(["a red card", None, None, None, "a blue card"]))
    pairs, _ = read_pairs(Dataset("films", dataset.root, dataset.interactions, items, dataset.text_columns, "image"), 8, dataset.root)
    assert pairs.texts == [b"a red card", b"a blue card"]


def test_rows_keep_pictures_and_texts_together(dataset: Dataset):
    pairs, _ = read_pairs(dataset, 8, dataset.root / "cache")
    swapped = pairs.rows(torch.tensor([1, 0]))
    assert swapped.texts == pairs.texts[::-1] and torch.equal(swapped.pictures, pairs.pictures.flip(0))


def test_squash_keeps_both_ends_of_a_wide_picture():
    wide = Image.new("RGB", (90, 30), "black")
    wide.paste("white", (60, 0, 90, 30))
    raw = io.BytesIO()
    wide.save(raw, "PNG")
    row = squash(raw.getvalue(), 9)[0, 4].tolist()
    assert row[:4] == [0] * 4 and row[-2:] == [255] * 2


def test_hold_out_divides_by_the_seed_alone():
    train, held = hold_out(50, 0.1, seed=4)
    assert len(held) == 5 and sorted(torch.cat([train, held]).tolist()) == list(range(50))
    assert torch.equal(held, hold_out(50, 0.1, seed=4)[1]) and not torch.equal(held, hold_out(50, 0.1, seed=5)[1])
