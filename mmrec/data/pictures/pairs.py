"""Picture-text pairs of a catalogue, decoded into memory, for contrastive training."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from PIL import Image
from torch import Tensor

from mmrec.data.features.texts import item_texts
from mmrec.data.pictures.decode import decode_picture
from mmrec.data.pictures.urls import read_all_pictures
from mmrec.files.progress import progress
from mmrec.types import ITEM_ID, Dataset, UnusableInput

CAPTION = "caption"
"""The column with a description of the picture, which replaces the text columns if it exists."""


@dataclass(frozen=True)
class PicturePairs:
    """Pictures and their texts, one row per item that has both."""

    pictures: UInt8[Tensor, "n 3 size size"]
    texts: list[bytes]
    """UTF-8."""

    def __len__(self) -> int:
        return len(self.texts)

    def rows(self, idx: Int64[Tensor, " n"]) -> Self:
        return type(self)(self.pictures[idx], [self.texts[i] for i in idx.tolist()])


def read_pairs(dataset: Dataset, size: int, cache: Path) -> tuple[PicturePairs, list[UnusableInput]]:
    """Read all items that have a usable picture and a text; pictures are resized to `size` x `size` regardless of their aspect ratio.

    Returns:
        The pairs, and the unusable pictures, whose position is the item's row. Pictures named by URL are cached below `cache`.
    """
    items = dataset.items
    columns = (CAPTION,) if CAPTION in items.columns else dataset.text_columns
    files, problems = read_all_pictures(dataset, items[ITEM_ID], cache)
    pictures: list[UInt8[Tensor, "3 size size"]] = []
    texts: list[bytes] = []
    for row, text in progress(enumerate(item_texts(items, columns)), "pictures", len(items)):
        try:
            raw = None if text is None else files[row]
            if text is not None and raw is not None:
                pictures.append(squash(raw, size))
                texts.append(text)
        except ValueError as error:
            problems.append(UnusableInput(row, str(error)))
    stacked = torch.stack(pictures) if pictures else torch.zeros(0, 3, size, size, dtype=torch.uint8)
    return PicturePairs(stacked, texts), problems


def squash(raw: bytes, size: int) -> UInt8[Tensor, "3 size size"]:
    """Resize a picture to a square, regardless of its aspect ratio. Raises ValueError if it cannot be decoded."""
    resized = decode_picture(raw).resize((size, size), Image.Resampling.BICUBIC)
    return torch.from_numpy(np.array(resized)).permute(2, 0, 1)


def hold_out(n: int, share: float, seed: int) -> tuple[Int64[Tensor, " n_train"], Int64[Tensor, " n_held"]]:
    """Split `n` rows at random into training rows and a held-out fraction `share` (at least one row), as a function of the seed."""
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    n_held = max(1, round(share * n))
    return order[n_held:], order[:n_held]
