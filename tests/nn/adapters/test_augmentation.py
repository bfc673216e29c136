"""Augmentation of token rows, words and pictures: what is changed and what stays, seeds, settings."""

import random
from pathlib import Path

import pytest
import torch

from mmrec.data.features.item_inputs import PictureInputs
from mmrec.errors import ConfigError
from mmrec.experiment.encoders.tuned_pictures import make_picture_encoder
from mmrec.nn.adapters.augmentation import Augmentation
from mmrec.nn.adapters.tuning import EncoderTraining, Tuning
from mmrec.nn.encoders.image import ClipImageEncoder
from mmrec.types import Features

ROW = torch.arange(100, 122)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("kind", ["token_dropout", "span_deletion"])
@pytest.mark.parametrize("row", [ROW, torch.stack([ROW.float()] * 3, dim=1)], ids=["ids", "states"])
def test_some_tokens_are_left_out_in_order_and_the_ends_stay(kind: str, row: torch.Tensor) -> None:
    augment = Augmentation(text=kind, share=0.3).of_tokens()
    assert augment is not None
    found = [augment(row, 0, generator(seed)) for seed in range(30)]
    lengths = [len(one) for one in found]
    for one in found:
        kept = one if one.ndim == 1 else one[:, 0].long()
        assert kept[0] == 100 and kept[-1] == 121 and (kept.diff() > 0).all()
        if kind == "span_deletion":
            assert len(kept) == 22 - 6 and (kept.diff() > 1).sum() == 1
    assert 14 < sum(lengths) / len(lengths) < 18
    assert augment(row, 0, generator(3)).equal(found[3])


@pytest.mark.parametrize("kind", ["token_dropout", "span_deletion"])
def test_a_text_is_never_emptied(kind: str) -> None:
    augment = Augmentation(text=kind, share=0.99).of_tokens()
    assert augment is not None
    assert all(len(augment(ROW[:length], 0, generator(seed))) >= min(length, 3) for length in (2, 3, 4, 9) for seed in range(9))


def test_words_are_misspelled_and_tokenised_again() -> None:
    augment = Augmentation(text="spelling", share=0.5).of_words(["", "warm reading lamp"], list)
    found = bytes(augment(ROW, 1, generator()).tolist()).decode()
    assert found != "warm reading lamp" and len(found.split()) == 3


def test_pictures_are_changed_by_open_clip_and_global_generators_are_restored() -> None:
    augment, picture = Augmentation(image="open_clip").of_pictures(48), torch.randint(0, 256, (48, 48, 3), dtype=torch.uint8)
    assert augment is not None
    before = torch.random.get_rng_state(), random.getstate()
    found = [augment(picture, 0, generator(seed)) for seed in (0, 0, 1)]
    assert found[0].equal(found[1]) and not found[0].equal(found[2]) and not found[0].equal(picture)
    assert found[0].shape == (48, 48, 3) and found[0].dtype == torch.uint8
    assert torch.random.get_rng_state().equal(before[0]) and random.getstate() == before[1]


def test_only_training_steps_see_changes(tmp_path: Path) -> None:
    pictures = [torch.full((64, 64, 3), 0, dtype=torch.uint8) for _ in range(3)]
    for n, one in enumerate(pictures):
        one[: 20 * (n + 1), :, n] = 255
    encoder = ClipImageEncoder("tiny_clip", None, None)
    encoder.prepare = lambda raw: pictures[int(raw)]  # type: ignore[method-assign]
    present = torch.ones(3, dtype=torch.bool)
    inputs, features = PictureInputs(encoder, [b"0", b"1", b"2"], present), Features(torch.randn(3, 128), present)
    plan = EncoderTraining(max_items_per_step=None)
    plain, changed = (
        make_picture_encoder(inputs, features, Tuning("last_n", of="image"), plan, None, augmentation)
        for augmentation in (None, Augmentation(image="open_clip"))
    )
    torch.testing.assert_close(plain.catalogue(), changed.catalogue())
    items = torch.arange(3)
    vectors = [one(items, present, generator(4)).detach() for one in (plain, changed, changed)]
    assert not torch.allclose(vectors[0], vectors[1]) and vectors[1].equal(vectors[2])
    alone = changed(items[1:2], present, generator(4)).detach()
    torch.testing.assert_close(alone[0], vectors[1][1])  # whatever else is in the batch


def test_settings_that_do_not_exist_are_refused() -> None:
    for given, message in (({"text": "synonyms"}, "text: .*choose from"), ({"image": "mixup"}, "image: "), ({"share": 0.0}, "share: ")):
        with pytest.raises(ConfigError, match=rf"tune\.augment\.{message}"):
            Augmentation(**given)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"tune\.augment\.changes\.scales: .*scale"):
        Augmentation(image="open_clip", changes={"scales": [0.5, 1.0]}).of_pictures(16)
