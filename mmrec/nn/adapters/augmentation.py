"""Random changes of the inputs of encoders that are trained: tokens left out, spelling errors, and open_clip's changes of pictures."""

import random
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, final

import mmrec._torchvision  # noqa: F401  first: the imports below may reach torchvision

import numpy as np
import torch
from jaxtyping import Shaped, UInt8
from PIL import Image
from torch import Tensor

from mmrec.errors import ConfigError, nearest
from mmrec.nn.attacks.misspelling import misspell
from mmrec.nn.encoders.clip import import_open_clip

NONE, TOKEN_DROPOUT, SPAN_DELETION, SPELLING, OPEN_CLIP = "none", "token_dropout", "span_deletion", "spelling", "open_clip"
OF_TEXTS, OF_PICTURES = (NONE, TOKEN_DROPOUT, SPAN_DELETION, SPELLING), (NONE, OPEN_CLIP)
Augment = Callable[[Tensor, int, torch.Generator], Tensor]
"""Changes the input of the item with an index, given a generator."""


def _changes() -> dict[str, Any]:
    return {"scale": [0.6, 1.0], "color_jitter": [0.4, 0.4, 0.4, 0.1], "color_jitter_prob": 0.5}


@final
@dataclass(frozen=True)
class Augmentation:
    """What is changed at random in the inputs of tuned encoders in training steps, and never in validation or test.

    Args:
        text: `token_dropout` leaves each token out with probability `share` (EDA, Wei & Zou 2019), `span_deletion` a span of this share of
            the tokens, and `spelling` misspells this share of the words, at least one.
        image: `open_clip` crops and recolours pictures as open_clip does in training.
        share: of texts.
        changes: the arguments of `open_clip.AugmentationCfg`.

    Raises:
        ConfigError: an argument is invalid.
    """

    text: str = NONE
    image: str = NONE
    share: float = 0.1
    changes: Mapping[str, Any] = field(default_factory=_changes)

    def __post_init__(self) -> None:
        for name, known in (("text", OF_TEXTS), ("image", OF_PICTURES)):
            if (value := getattr(self, name)) not in known:
                raise ConfigError(f"tune.augment.{name}: expected {', '.join(known)}, found `{value}`; {nearest(str(value), known)}")
        if not 0 < self.share < 1:
            raise ConfigError(f"tune.augment.share: expected more than 0 and less than 1, found {self.share}")

    def of_tokens(self) -> Augment | None:
        """What changes rows of token ids or states; None for none, and for spelling errors, which need the texts."""
        return {TOKEN_DROPOUT: self._drop, SPAN_DELETION: self._delete}.get(self.text)

    def of_words(self, texts: Sequence[str], prepare: Callable[[bytes], Sequence[int]]) -> Augment:
        """What misspells words, given the text of every item, and makes token ids of them."""

        def misspelled(row: Tensor, item_idx: int, generator: torch.Generator) -> Tensor:
            text, taken = texts[item_idx], frozenset[int]()
            for _ in range(max(1, round(self.share * len(text.split())))):
                text, word = misspell(text, generator, taken)
                taken |= {word}
            return torch.tensor(prepare(text.encode()), dtype=row.dtype)

        return misspelled

    def of_pictures(self, size: int) -> Augment | None:
        """What changes pictures of a size; None for none. Raises ConfigError if open_clip does not know a change."""
        return None if self.image == NONE else _OpenClipChanges(size, dict(self.changes))

    def _drop(self, row: Shaped[Tensor, "_tokens ..."], item_idx: int, generator: torch.Generator) -> Shaped[Tensor, "_tokens ..."]:
        kept = torch.rand(len(row), generator=generator) >= self.share
        kept[[0, -1]] = True  # what marks the start and the end of a text
        if len(row) > 2 and not kept[1:-1].any():
            kept[1 + int(torch.randint(len(row) - 2, (), generator=generator))] = True
        return row[kept.to(row.device)]

    def _delete(self, row: Shaped[Tensor, "_tokens ..."], item_idx: int, generator: torch.Generator) -> Shaped[Tensor, "_tokens ..."]:
        inner = len(row) - 2
        if inner < 2:
            return row
        length = min(max(1, round(self.share * inner)), inner - 1)
        start = 1 + int(torch.randint(inner - length + 1, (), generator=generator))
        return torch.cat([row[:start], row[start + length :]])


@final
class _OpenClipChanges:
    """The random changes of open_clip's own transform for training, before pictures become numbers."""

    def __init__(self, size: int, changes: dict[str, Any]) -> None:
        known = vars(import_open_clip().AugmentationCfg())
        for name in changes:
            if name not in known or name == "use_timm":
                raise ConfigError(f"tune.augment.changes.{name}: open_clip has no such change; {nearest(name, known)}")
        self.size, self.changes = size, {name: tuple(one) if isinstance(one, list) else one for name, one in changes.items()}

    @cached_property
    def transform(self) -> Any:
        """Of a PIL image to another one."""
        open_clip = import_open_clip()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Unused augmentation cfg items")  # it counts colours as unused, and uses them
            made = open_clip.image_transform(self.size, is_train=True, aug_cfg=open_clip.AugmentationCfg(**self.changes))
        made.transforms = made.transforms[:-2]  # floats come later
        return made

    def __call__(self, row: UInt8[Tensor, "size size 3"], item_idx: int, generator: torch.Generator) -> UInt8[Tensor, "size size 3"]:
        before, seed = random.getstate(), int(torch.randint(2**31, (), generator=generator))
        with torch.random.fork_rng(devices=[]):  # torchvision draws from torch's global generator, open_clip also from Python's
            torch.default_generator.manual_seed(seed)
            random.seed(seed)
            try:
                return torch.from_numpy(np.array(self.transform(Image.fromarray(row.numpy()))))
            finally:
                random.setstate(before)
